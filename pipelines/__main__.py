"""The command line: `python -m pipelines --help`. The Makefile has a target for each command.

Exit status: 0 done or shipped, 1 failed, 2 nothing was started because a config or an argument is wrong, 3 blocked by a
gate.
"""

import argparse
import datetime as dt
import json
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from pipelines import compiled, local
from pipelines.code import ROOT
from pipelines.finish import finish
from pipelines.lint import lint
from pipelines.run import Request, run
from pipelines.serve import serve
from plumbline.adapters.clients import Clients
from plumbline.adapters.sample_data import TABLES, load_sample_data
from plumbline.adapters.storage import ensure_bucket
from plumbline.adapters.table_files import load_file
from plumbline.config import json_schema, load_environment, load_problem
from plumbline.environment import Environment, place
from plumbline.errors import ConfigError, PlumblineError
from plumbline.problem import ProblemConfig

_SCHEMAS = {"problem": ProblemConfig, "environment": Environment}


def main() -> int:
    """Runs the command of the command line."""
    options = _options()
    try:
        return int(options.command(options))
    except ConfigError as error:
        print(f"The configuration is wrong; nothing was started.\n{error}", file=sys.stderr)
        return 2
    except PlumblineError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 1


def _run_local(options: argparse.Namespace) -> int:
    """The whole pipeline on this machine."""
    loaded, environment = load_problem(options.config), load_environment(options.env)
    with local.emulator(environment, options.state / "emulator"):
        clients = Clients(place(environment), local.environ_for(environment, os.environ))
        ensure_bucket(clients.storage(), clients.place)
        sampled = [name for name in TABLES if name in loaded.config.data.tables]
        for name, rows in load_sample_data(clients.bigquery(), clients.place, only=sampled).items():
            print(f"sample data: {name}, {rows:,} rows")
        ended = run(Request(loaded, environment, clients), print, now=_now)
        return finish(ended, clients, print, folder=options.state / "runs" / ended.run_id).exit_status


def _serve_local(options: argparse.Namespace) -> int:
    """The endpoint of the last run, until Ctrl-C."""
    loaded, environment = load_problem(options.config), load_environment(options.env)
    with local.emulator(environment, options.state / "emulator"):
        clients = Clients(place(environment), local.environ_for(environment, os.environ))
        serve(clients, loaded.config.serving.endpoint, print)
    return 0


def _sample_data(options: argparse.Namespace) -> int:
    """The tables of the example problem, into the environment's BigQuery."""
    with _clients(options) as clients:
        for name, rows in load_sample_data(clients.bigquery(), clients.place).items():
            print(f"{name}: {rows:,} rows")
    return 0


def _load(options: argparse.Namespace) -> int:
    """A table of your own, from a Parquet or CSV file into the environment's BigQuery."""
    with _clients(options) as clients:
        print(f"{options.table}: {load_file(clients.bigquery(), clients.place, options.table, options.file):,} rows")
    return 0


@contextmanager
def _clients(options: argparse.Namespace) -> Iterator[Clients]:
    """Clients of the environment, with its emulator up where it has one."""
    environment = load_environment(options.env)
    with ExitStack() as stack:
        if environment.endpoints is not None:
            stack.enter_context(local.emulator(environment, options.state / "emulator"))
        yield Clients(place(environment), local.environ_for(environment, os.environ))


def _compile(options: argparse.Namespace) -> int:
    """The compiled pipeline, checked."""
    spec = compiled.compile_training()
    if findings := lint(spec):
        raise PlumblineError("Vertex AI Pipelines would refuse the pipeline:\n" + "\n".join(map(str, findings)))
    compiled.write(spec, options.output)
    if options.golden and compiled.differs_from_golden(spec):
        golden = compiled.GOLDEN.relative_to(ROOT)
        raise PlumblineError(f"{options.output} differs from {golden}: if that is meant, run `make generate`")
    if not options.quiet:
        print(f"{options.output}: compiled, no findings" + (", as the golden file" if options.golden else ""))
    return 0


def _schemas(_: argparse.Namespace) -> int:
    """The JSON Schemas that editors check the configs with."""
    for name, kind in _SCHEMAS.items():
        path = ROOT / "configs" / "schema" / f"{name}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(json_schema(kind), indent=2) + "\n", encoding="utf-8")
        print(path.relative_to(ROOT))
    return 0


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m pipelines", description="Plumbline's command line")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    placed = {"run-local": _run_local, "serve-local": _serve_local, "sample-data": _sample_data, "load": _load}
    added = {
        name: commands.add_parser(name, help=(command.__doc__ or "").rstrip(".")) for name, command in placed.items()
    }
    for name, command in placed.items():
        added[name].add_argument("--config", type=Path, default=Path("configs/flights.yaml"))
        added[name].add_argument("--env", type=Path, default=Path("configs/env/local.yaml"))
        added[name].add_argument("--state", type=Path, default=Path(".plumbline"))
        added[name].set_defaults(command=command)
    added["load"].add_argument("--table", required=True, help="name of the table, without project and dataset")
    added["load"].add_argument("--file", type=Path, required=True, help="a .parquet or .csv file")
    compiling = commands.add_parser("compile", help=(_compile.__doc__ or "").rstrip("."))
    compiling.add_argument("--output", type=Path, default=Path("training.yaml"))
    compiling.add_argument("--golden", action="store_true", help="compare with the golden file")
    compiling.add_argument("--quiet", action="store_true")
    compiling.set_defaults(command=_compile)
    commands.add_parser("schemas", help=(_schemas.__doc__ or "").rstrip(".")).set_defaults(command=_schemas)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
