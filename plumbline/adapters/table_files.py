"""Tables of one's own, from files into any BigQuery."""

from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pv
import pyarrow.parquet as pq
from google.cloud import bigquery

from plumbline.adapters.bigquery import ensure_dataset, full_name, load_table
from plumbline.environment import Place
from plumbline.errors import DataError


def load_file(client: bigquery.Client, place: Place, table: str, file: Path) -> int:
    """Rows of a Parquet or CSV file that were loaded as a table, in place of one of the same name.

    Raises:
        DataError: There is no such file, it is neither, it cannot be read, or it has a type that is not known here.
        ServiceError: BigQuery refuses the load.
    """
    rows = _read(file)
    schema = [bigquery.SchemaField(field.name, _type(field)) for field in rows.schema]
    ensure_dataset(client, place)
    load_table(client, full_name(place, table), rows, schema)
    return int(rows.num_rows)


def _read(file: Path) -> pa.Table:
    if not file.is_file():
        raise DataError(f"there is no file {file}")
    try:
        match file.suffix:
            case ".parquet":
                return pq.read_table(file)
            case ".csv":
                return pv.read_csv(file)
            case other:
                raise DataError(f"wanted a .parquet or .csv file, got {other!r}: {file}")
    except pa.ArrowInvalid as error:
        raise DataError(f"{file} cannot be read: {error}") from error


def _type(field: pa.Field) -> str:
    """BigQuery's type of an Arrow column."""
    kind = field.type
    if pa.types.is_timestamp(kind):
        return "TIMESTAMP" if kind.tz else "DATETIME"
    checks = {
        "BOOL": pa.types.is_boolean,
        "INT64": pa.types.is_integer,
        "FLOAT64": pa.types.is_floating,
        "STRING": lambda t: pa.types.is_string(t) or pa.types.is_large_string(t),
        "DATE": pa.types.is_date,
    }
    found = next((name for name, check in checks.items() if check(kind)), None)
    if found is None:
        raise DataError(f"the column {field.name} is {kind}, which this command cannot load")
    return found
