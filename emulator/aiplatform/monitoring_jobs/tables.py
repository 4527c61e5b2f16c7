"""What monitoring reads of BigQuery: the log of an endpoint's requests, and training tables."""

import datetime as dt
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from emulator.endpoints import Endpoints, read_endpoints

Values = Mapping[str, Sequence[object]]
"""The values of each feature, those that are there."""
_TIMEOUT_S = 60.0
_DEFAULT_TABLE = "request_response_logging"


class Tables:
    """The tables of the emulator that runs on a state folder."""

    def __init__(self, state: Path, project: str) -> None:
        self._state = state
        self._project = project

    def requests(self, table: str, model: str, start: dt.datetime, end: dt.datetime) -> Sequence[tuple[str, str]]:
        """Id of the request and JSON of each instance that a deployed model was asked; none where there is no log yet.

        Args:
            table: project.dataset.table.
            model: The deployed model's id.
            start: The first moment.
            end: The first moment after it.
        """
        from google.api_core import exceptions  # noqa: PLC0415 - it takes a second, and most emulators watch nothing

        sql = f"""SELECT CAST(request_id AS STRING) AS id, instance
FROM `{table}`, UNNEST(request_payload) AS instance
WHERE deployed_model_id = '{int(model)}' AND logging_time >= TIMESTAMP '{start:%Y-%m-%d %H:%M:%S.%f}+00'
  AND logging_time < TIMESTAMP '{end:%Y-%m-%d %H:%M:%S.%f}+00'"""  # noqa: S608 - a number, and times
        client = self._client()
        try:
            client.get_table(table, retry=None, timeout=_TIMEOUT_S)
        except exceptions.NotFound:
            return []
        job = client.query(sql, retry=None, job_retry=None, timeout=_TIMEOUT_S)
        return [(str(row["id"]), str(row["instance"])) for row in job.result(timeout=_TIMEOUT_S)]

    def training(self, table: str, features: Sequence[str]) -> Values:
        """The values of those features that a training table has."""
        import pyarrow as pa  # noqa: PLC0415 - as above
        from google.cloud import bigquery_storage_v1 as storage  # noqa: PLC0415 - as above

        found = self._client().get_table(table, retry=None, timeout=_TIMEOUT_S)
        names = [field.name for field in found.schema if field.name in features]
        if not names:
            return {}
        path = f"projects/{found.project}/datasets/{found.dataset_id}/tables/{found.table_id}"
        options = storage.types.ReadSession.TableReadOptions(selected_fields=names)
        wanted = storage.types.ReadSession(table=path, data_format=storage.types.DataFormat.ARROW, read_options=options)
        reader = self._reader()
        session = reader.create_read_session(parent=f"projects/{self._project}", read_session=wanted)
        schema = pa.ipc.read_schema(pa.py_buffer(session.arrow_schema.serialized_schema))
        values: dict[str, list[object]] = {name: [] for name in names}
        for stream in session.streams:
            for answer in reader.read_rows(stream.name, timeout=_TIMEOUT_S):
                rows = pa.ipc.read_record_batch(pa.py_buffer(answer.arrow_record_batch.serialized_record_batch), schema)
                for name in names:
                    values[name] += rows.column(name).drop_null().to_pylist()
        return values

    def _endpoints(self) -> Endpoints:
        """Raises FileNotFoundError while the emulator is not up yet."""
        return read_endpoints(self._state)

    def _client(self) -> Any:
        from google.api_core.client_options import ClientOptions  # noqa: PLC0415 - as above
        from google.auth.credentials import AnonymousCredentials  # noqa: PLC0415 - as above
        from google.cloud import bigquery  # noqa: PLC0415 - as above

        options = ClientOptions(api_endpoint=self._endpoints().bigquery)
        return bigquery.Client(project=self._project, credentials=AnonymousCredentials(), client_options=options)

    def _reader(self) -> Any:
        import grpc  # noqa: PLC0415 - as above
        from google.cloud.bigquery_storage_v1 import BigQueryReadClient  # noqa: PLC0415 - as above
        from google.cloud.bigquery_storage_v1.services.big_query_read import transports  # noqa: PLC0415 - as above

        options = [("grpc.max_receive_message_length", -1)]
        channel = grpc.insecure_channel(self._endpoints().bigquery_storage, options=options)
        return BigQueryReadClient(transport=transports.BigQueryReadGrpcTransport(channel=channel))


def log_table(uri: str) -> str:
    """project.dataset.table of the destination of an endpoint's log; Vertex AI names the table where the URI does not.

    Args:
        uri: `bq://project.dataset.table`, or without the table.
    """
    name = uri.removeprefix("bq://")
    return name if name.count(".") == 2 else f"{name}.{_DEFAULT_TABLE}"


def sampled(rows: Sequence[tuple[str, str]], rate: float, salt: str) -> Sequence[str]:
    """The instances of the requests that are looked at: the same ones whenever it is asked.

    Args:
        rows: Id of the request, and JSON of an instance.
        rate: Share of the requests, in (0, 1].
        salt: Who asks.
    """

    def share(request: str) -> float:
        digest = hashlib.sha256(f"{salt}/{request}".encode()).digest()
        return int.from_bytes(digest[:8], "big") / 2**64

    return [instance for request, instance in rows if share(request) < rate]


def columns(instances: Sequence[str], order: Sequence[str]) -> Values:
    """The values of each feature of instances that are objects, or arrays in that order; null is no value."""
    values: dict[str, list[object]] = {}
    for text in instances:
        instance = json.loads(text)
        if not isinstance(instance, dict):
            listed = instance if isinstance(instance, list) else [instance]
            instance = dict(zip(order, listed, strict=False))
        for name, value in instance.items():
            if value is not None:
                values.setdefault(name, []).append(value)
    return values
