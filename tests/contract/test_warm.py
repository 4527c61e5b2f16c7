"""Google's clients in forked processes: gRPC, REST and their threads work as in new ones."""

import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from google.cloud import aiplatform_v1 as v1
from google.cloud import bigquery

from tests.contract import vertex as vx
from tests.contract.conftest import LOCATION, PROJECT, Emulator
from tests.contract.test_custom_jobs import STATE, end, job, pool, submit
from tests.contract.vertex import fresh

_AT_ONCE = 4


@pytest.fixture(scope="module")
def dataset(emulator: Emulator) -> str:
    """A dataset with a table of the numbers below a thousand, and a bucket of the same name."""
    client, name = emulator.bigquery(), fresh("warm").replace("-", "_")
    client.create_dataset(bigquery.Dataset(f"{PROJECT}.{name}"))
    rows = io.BytesIO()
    pq.write_table(pa.table({"x": list(range(1000))}), rows)
    config = bigquery.LoadJobConfig(source_format=bigquery.SourceFormat.PARQUET)
    client.create_table(bigquery.Table(f"{PROJECT}.{name}.t", schema=[bigquery.SchemaField("x", "INTEGER")]))
    client.load_table_from_file(rows, f"{PROJECT}.{name}.t", rewind=True, job_config=config).result()
    emulator.storage().create_bucket(name)
    return name


def test_every_client_works_in_forked_processes(emulator: Emulator, dataset: str) -> None:
    """Storage Read (gRPC), BigQuery, Cloud Storage and Vertex AI, several at once and one after the other."""
    vertex = vx.connect(emulator)

    def start(name: str) -> str:
        container = v1.ContainerSpec(
            image_uri=vx.IMAGE,
            command=["python", "-m", "tests.contract.warm_task"],
            args=[PROJECT, LOCATION, dataset, dataset, name],
        )
        return submit(vertex, job(pool(container)))

    for turn in ("first", "second"):
        started = {f"{turn}{number}": start(f"{turn}{number}") for number in range(_AT_ONCE)}
        for told, name in started.items():
            ended = end(vertex, name)
            assert ended.state == STATE.JOB_STATE_SUCCEEDED, ended.error.message
            log = emulator.state / "logs" / f"job-{name.rpartition('/')[2]}-0-0.log"
            assert log.read_text(encoding="utf-8") == f"True 1000 499500 {told} True\n"
