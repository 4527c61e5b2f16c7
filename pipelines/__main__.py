"""The command line: `python -m pipelines --help`. The Makefile has a target for each command.

Exit status: 0 done or shipped, 1 failed, 2 nothing was started because a config or an argument is wrong, 3 blocked by a
gate.
"""

import argparse
import json
import sys
from pathlib import Path

from pipelines import local
from pipelines.code import ROOT
from plumbline.config import json_schema, load_environment, load_problem
from plumbline.environment import Environment
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
    local.check_emulated(environment)
    with local.emulator(environment, options.state / "emulator") as ready:
        from pipelines import commands  # noqa: PLC0415 - takes seconds, in which the emulator starts

        return commands.run_local(loaded, environment, ready, options.state)


def _serve_local(options: argparse.Namespace) -> int:
    """The endpoint of the last run, until Ctrl-C."""
    loaded, environment = load_problem(options.config), load_environment(options.env)
    local.check_emulated(environment)
    with local.emulator(environment, options.state / "emulator") as ready:
        from pipelines import commands  # noqa: PLC0415 - see _run_local

        return commands.serve_local(loaded, environment, ready)


def _sample_data(options: argparse.Namespace) -> int:
    """The tables of the example problem, into the environment's BigQuery."""
    environment = load_environment(options.env)
    with local.emulator(environment, options.state / "emulator") as ready:
        from pipelines import commands  # noqa: PLC0415 - see _run_local

        return commands.sample_data(environment, ready)


def _load(options: argparse.Namespace) -> int:
    """A table of your own, from a Parquet or CSV file into the environment's BigQuery."""
    environment = load_environment(options.env)
    with local.emulator(environment, options.state / "emulator") as ready:
        from pipelines import commands  # noqa: PLC0415 - see _run_local

        return commands.load(environment, ready, table=options.table, file=options.file)


def _compile(options: argparse.Namespace) -> int:
    """The compiled pipeline, checked."""
    from pipelines import compiled  # noqa: PLC0415 - needs kfp
    from pipelines.lint import check  # noqa: PLC0415 - needs kfp

    spec = compiled.compile_training()
    check(spec)
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


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m pipelines", description="Plumbline's command line")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    placed = {"run-local": _run_local, "serve-local": _serve_local, "sample-data": _sample_data, "load": _load}
    added = {name: commands.add_parser(name, help=(command.__doc__ or "")) for name, command in placed.items()}
    for name, command in placed.items():
        added[name].add_argument("--config", type=Path, default=Path("configs/flights.yaml"))
        added[name].add_argument("--env", type=Path, default=Path("configs/env/local.yaml"))
        added[name].add_argument("--state", type=Path, default=Path(".plumbline"))
        added[name].set_defaults(command=command)
    added["load"].add_argument("--table", required=True, help="name of the table, without project and dataset")
    added["load"].add_argument("--file", type=Path, required=True, help="a .parquet or .csv file")
    compiling = commands.add_parser("compile", help=_compile.__doc__)
    compiling.add_argument("--output", type=Path, default=Path("training.yaml"))
    compiling.add_argument("--golden", action="store_true", help="compare with the golden file")
    compiling.add_argument("--quiet", action="store_true")
    compiling.set_defaults(command=_compile)
    commands.add_parser("schemas", help=_schemas.__doc__).set_defaults(command=_schemas)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
