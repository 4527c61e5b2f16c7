"""The BigQuery emulator's own process: `python -m emulator.bigquery_server`, set up by its BQEMU_ variables."""


def main() -> None:
    """Serves until a signal ends it."""
    import duckdb_extensions  # noqa: PLC0415 - nothing but this process loads DuckDB
    from bqemulator.config import Settings  # noqa: PLC0415 - as above
    from bqemulator.server import run_forever  # noqa: PLC0415 - as above

    # Installed from the wheel into DuckDB's own folder, where the server's INSTALL finds it without a network.
    duckdb_extensions.import_extension("spatial")
    run_forever(Settings())


if __name__ == "__main__":
    main()
