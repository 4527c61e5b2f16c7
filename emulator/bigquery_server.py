"""The BigQuery emulator's own process: `python -m emulator.bigquery_server`, set up by its BQEMU_ variables.

EMULATOR_STATE is the state folder, which holds the faults and permissions that stand before the REST API. The Storage
Read API, which is gRPC, has none.
"""

import os
from pathlib import Path
from typing import Any

from starlette.types import ASGIApp

from emulator.bigquery_gate import Gate
from emulator.faults import Faults
from emulator.faulty import BIGQUERY_REASONS, Faulty

_MEMORY = "3GB"
"""Of DuckDB; what takes more goes to its folder on disk meanwhile."""


def main() -> None:
    """Serves until a signal ends it."""
    import duckdb_extensions  # noqa: PLC0415 - nothing but this process loads DuckDB
    from bqemulator import server  # noqa: PLC0415 - as above
    from bqemulator.config import Settings  # noqa: PLC0415 - as above
    from bqemulator.grpc_api import read_servicer  # noqa: PLC0415 - as above

    from emulator.bigquery_sessions import Reads  # noqa: PLC0415 - as above

    # Installed from the wheel into DuckDB's own folder, where the server's INSTALL finds it without a network.
    duckdb_extensions.import_extension("spatial")
    state, create_app = Path(os.environ["EMULATOR_STATE"]), server.create_app

    def application(context: Any) -> ASGIApp:
        # DuckDB would keep what it has read until four fifths of the machine's memory are full.
        context.engine.execute(f"SET memory_limit = '{_MEMORY}'")
        return Faulty(Gate(create_app(context), state), Faults(state), BIGQUERY_REASONS)

    # The server has no other place to put something before its application, nor to take another Storage Read API.
    server.create_app = application
    read_servicer.BigQueryReadHandler = Reads
    server.run_forever(Settings())


if __name__ == "__main__":
    main()
