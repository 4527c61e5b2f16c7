"""The command line: `python -m pipelines --help`. The Makefile has a target for each command.

Exit status: 0 done or shipped, 1 failed, 2 nothing was started because a config or an argument is wrong, 3 blocked by a
gate; of `monitor`, 3 where something has moved too far.
"""

import argparse
import dataclasses
import gc
import json
import os
import re
import shutil
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from pipelines import local
from pipelines.code import ROOT
from pipelines.session import Session, connect
from plumbline.config import json_schema, load_environment, load_problem
from plumbline.environment import Environment
from plumbline.errors import ConfigError, PlumblineError
from plumbline.finding import failed
from plumbline.permissions import roles, table
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
    loaded, environment = load_problem(options.config), _environment(options)
    local.check_emulated(environment)
    with _emulator(options, environment) as ready:
        from pipelines import commands  # noqa: PLC0415 - takes seconds, in which the emulator starts

        return commands.run_local(loaded, environment, ready, options.state)


def _serve_local(options: argparse.Namespace) -> int:
    """The endpoint of the last run, until Ctrl-C."""
    loaded, environment = load_problem(options.config), _environment(options)
    local.check_emulated(environment)
    with _emulator(options, environment) as ready:
        from pipelines import commands  # noqa: PLC0415 - see _run_local

        return commands.serve_local(loaded, environment, ready)


def _stop(options: argparse.Namespace) -> int:
    """End the emulator that the last command has left up for the next one."""
    print("the emulator has ended" if local.stop(options.state / "emulator") else "no emulator is up")
    return 0


def _sample_data(options: argparse.Namespace) -> int:
    """The tables of the example problem, into the environment's BigQuery."""
    environment = _environment(options)
    with _emulator(options, environment) as ready:
        from pipelines import commands  # noqa: PLC0415 - see _run_local

        return commands.sample_data(environment, ready)


def _load_table(options: argparse.Namespace) -> int:
    """A table of your own, from a Parquet or CSV file into the environment's BigQuery."""
    environment = _environment(options)
    with _emulator(options, environment) as ready:
        from pipelines import commands  # noqa: PLC0415 - see _run_local

        return commands.load_table(environment, ready, table=options.table, file=options.file)


def _compile(options: argparse.Namespace) -> int:
    """The compiled pipeline, checked."""
    from pipelines import compiled  # noqa: PLC0415 - needs kfp
    from pipelines.lint import check  # noqa: PLC0415 - needs kfp

    spec, output = compiled.compile_graph(options.graph), options.output or Path(f"{options.graph}.yaml")
    check(spec)
    compiled.write(spec, output)
    if options.golden and compiled.differs_from_golden(spec, options.graph):
        golden = compiled.golden(options.graph).relative_to(ROOT)
        raise PlumblineError(f"{output} differs from {golden}: if that is meant, run `make generate`")
    if not options.quiet:
        print(f"{output}: compiled, no findings" + (", as the golden file" if options.golden else ""))
    return 0


def _schemas(_: argparse.Namespace) -> int:
    """The JSON Schemas that editors check the configs with."""
    for name, kind in _SCHEMAS.items():
        path = ROOT / "configs" / "schema" / f"{name}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(json_schema(kind), indent=2) + "\n", encoding="utf-8")
        print(path.relative_to(ROOT))
    return 0


def _run_pipeline(options: argparse.Namespace) -> int:
    """The whole pipeline on Google Cloud: doctor, plan, images, run, verdict."""
    return _examined(options, "run_pipeline", wait=options.wait, images=options.images)


def _doctor(options: argparse.Namespace) -> int:
    """All that would stop a run, each finding with the command that mends it."""
    from pipelines.doctor import doctor  # noqa: PLC0415 - the other commands need not wait for it

    session = _session(options)
    with nullcontext(None) if options.offline else _emulator(options, session.environment) as ready:
        if ready:
            ready()
        findings = doctor(session.loaded, session.environment, session.clients, print, offline=options.offline)
    return int(failed(findings))


def _images(options: argparse.Namespace) -> int:
    """The three images of this code: built, unless they are there."""
    return _on_cloud(options, "images", build=not options.check)


def _plan(options: argparse.Namespace) -> int:
    """What a run would make, change and reuse, and what it would cost."""
    return _on_cloud(options, "plan")


def _cancel(options: argparse.Namespace) -> int:
    """End the runs of the problem that are under way."""
    return _on_cloud(options, "cancel", run=options.run)


def _clean_cloud(options: argparse.Namespace) -> int:
    """Undeploy everything that costs money by the hour; asks first."""

    def confirm(question: str) -> bool:
        return bool(options.yes) or input(question).strip().lower() in {"y", "yes"}

    return _on_cloud(options, "clean_cloud", confirm=confirm)


def _schedule(options: argparse.Namespace) -> int:
    """Make or change the schedule on which the pipeline runs by itself."""
    return _examined(options, "schedule")


def _janitor(options: argparse.Namespace) -> int:
    """What is there and costs money, and what no run owns."""
    return _on_cloud(options, "janitor")


def _publish(options: argparse.Namespace) -> int:
    """Publish the compiled pipeline to the environment's pipeline repository."""
    return _on_cloud(options, "publish", tag=options.tag, images=options.images)


def _ablate(options: argparse.Namespace) -> int:
    """What each group of features is worth: a training without each, on the dataset of the last run."""
    return _on_cloud(options, "ablate", seeds=options.seeds)


def _rollback(options: argparse.Namespace) -> int:
    """Put the version before back in service, at once."""
    return _on_cloud(options, "rollback")


def _evaluate(options: argparse.Namespace) -> int:
    """Judge the model that serves on what it said and what came of it."""
    return _on_cloud(options, "evaluate", at=options.at, wait=options.wait)


def _retrain(options: argparse.Namespace) -> int:
    """Look once whether to train a new model, say why, and train it."""
    return _on_cloud(options, "retrain", start=options.start, wait=options.wait)


def _simulate(options: argparse.Namespace) -> int:
    """A year of flights in minutes, on an emulator and a clock of its own."""
    from pipelines.simulate import BEGIN, Scope, simulate  # noqa: PLC0415 - only this command needs it

    session = _session(options)
    local.check_emulated(session.environment)
    state = options.state / "simulation"
    local.stop(state / "emulator")
    shutil.rmtree(state, ignore_errors=True)
    with local.emulator(session.environment, state / "emulator", keep_s=0, clock=BEGIN.isoformat()) as ready:
        ready()
        return simulate(dataclasses.replace(session, state=state), Scope(options.periods, options.a_day))


def _monitor(options: argparse.Namespace) -> int:
    """Skew, drift and prediction drift of what the endpoint was asked lately; exit status 3 on an anomaly."""
    return _on_cloud(options, "monitor", hours=options.hours, until=options.until)


def _load(options: argparse.Namespace) -> int:
    """Ask the endpoint of the last run by a schedule: what rate it holds, and how replicas follow."""
    given = {name: getattr(options, name) for name in ("seconds", "limit_ms", "seed", "yes", "spike")}
    return _on_cloud(options, "load", rates=options.rates, **given)


def _on_cloud(options: argparse.Namespace, command: str, **given: object) -> int:
    """Runs a command of `pipelines.cloud` in the environment; one with endpoints has its emulator started."""
    session = _session(options)
    with _emulator(options, session.environment) as ready:
        from pipelines import cloud  # noqa: PLC0415 - see _run_local

        ready()
        return int(getattr(cloud, command)(session, **given))


def _examined(options: argparse.Namespace, command: str, **given: object) -> int:
    """As `_on_cloud`, for a command that needs doctor's findings: doctor works while this process still imports."""
    session = _session(options)
    with _emulator(options, session.environment) as ready:
        from pipelines.doctor import begun  # noqa: PLC0415 - the other commands need not wait for it

        ready()
        with begun(session.loaded, session.environment) as examined:
            from pipelines import cloud  # noqa: PLC0415 - see _run_local

            return int(getattr(cloud, command)(session, examined, **given))


def _emulator(options: argparse.Namespace, environment: Environment) -> AbstractContextManager[Callable[[], None]]:
    return local.emulator(environment, options.state / "emulator", keep_s=options.keep)


def _session(options: argparse.Namespace) -> Session:
    loaded, environment = load_problem(options.config), _environment(options)
    return Session(loaded, environment, connect(environment), options.state, print)


def _environment(options: argparse.Namespace) -> Environment:
    return load_environment(options.env, project=options.project, location=options.location)


_PLACED = {
    "run-local": _run_local,
    "serve-local": _serve_local,
    "stop": _stop,
    "sample-data": _sample_data,
    "load-table": _load_table,
    "run-pipeline": _run_pipeline,
    "doctor": _doctor,
    "images": _images,
    "plan": _plan,
    "cancel": _cancel,
    "clean-cloud": _clean_cloud,
    "schedule": _schedule,
    "janitor": _janitor,
    "publish": _publish,
    "ablate": _ablate,
    "rollback": _rollback,
    "simulate": _simulate,
    "evaluate": _evaluate,
    "retrain": _retrain,
    "monitor": _monitor,
    "load": _load,
}
"""The commands that work in an environment."""


def _permissions(_: argparse.Namespace) -> int:
    """The permissions that the code needs, where Terraform and the docs read them."""
    written = ROOT / "terraform" / "permissions.json"
    written.write_text(json.dumps(roles(), indent=2) + "\n", encoding="utf-8")
    page = ROOT / "docs" / "infrastructure.md"
    marked = re.compile(r"(<!-- permissions -->\n).*(<!-- /permissions -->)", re.DOTALL)
    text = page.read_text(encoding="utf-8")
    page.write_text(marked.sub(lambda found: f"{found[1]}\n{table()}\n{found[2]}", text), encoding="utf-8")
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m pipelines", description="Plumbline's command line")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    added = {name: commands.add_parser(name, help=command.__doc__ or "") for name, command in _PLACED.items()}
    for name, command in _PLACED.items():
        added[name].add_argument("--config", type=Path, default=Path("configs/flights.yaml"))
        added[name].add_argument("--env", type=Path, default=Path("configs/env/local.yaml"))
        added[name].add_argument("--project", default="", help="in place of the environment's")
        added[name].add_argument("--location", default="", help="the region, in place of the environment's")
        added[name].add_argument("--state", type=Path, default=Path(".plumbline"))
        text = "seconds that the emulator stays up after the last command; 0 ends it with this one"
        added[name].add_argument("--keep", type=int, default=local.KEEP_S, help=text)
        added[name].set_defaults(command=command)
    for name in ("run-pipeline", "evaluate", "retrain"):
        added[name].add_argument("--no-wait", dest="wait", action="store_false", help="submit only")
    added["evaluate"].add_argument("--at", default="", help="the time to look from, ISO 8601 and UTC; now if not given")
    added["retrain"].add_argument("--look", dest="start", action="store_false", help="say it only, and start nothing")
    for name in ("run-pipeline", "publish"):
        text = (
            "a folder with what containers/build.sh has printed, a file an image; if not given they are found or built"
        )
        added[name].add_argument("--images", type=Path, help=text)
    added["doctor"].add_argument("--offline", action="store_true", help="only what needs no network")
    added["images"].add_argument("--check", action="store_true", help="only look whether they are there")
    added["cancel"].add_argument("--run", default="", help="id of the run; all that are under way if not given")
    added["clean-cloud"].add_argument("--yes", action="store_true", help="do not ask")
    added["ablate"].add_argument(
        "--seeds", type=int, default=3, help="trainings of each kind; from 2 on chance in training is known"
    )
    added["simulate"].add_argument("--periods", type=int, default=26, help="fortnights to play")
    added["simulate"].add_argument("--a-day", type=int, default=150, help="flights that are asked about, of each day")
    added["monitor"].add_argument("--hours", type=float, default=0, help="of the window; 0: monitoring.interval_hours")
    added["monitor"].add_argument("--until", default="", help="end of the window, as 2026-03-02T06:00; empty: now")
    added["publish"].add_argument("--tag", required=True)
    added["load-table"].add_argument("--table", required=True, help="name of the table, without project and dataset")
    added["load-table"].add_argument("--file", type=Path, required=True, help="a .parquet or .csv file")
    _add_load(added["load"])
    compiling = commands.add_parser("compile", help=_compile.__doc__)
    compiling.add_argument("--graph", choices=("training", "evaluation"), default="training")
    compiling.add_argument("--output", type=Path, help="GRAPH.yaml if not given")
    compiling.add_argument("--golden", action="store_true", help="compare with the golden file")
    compiling.add_argument("--quiet", action="store_true")
    compiling.set_defaults(command=_compile)
    commands.add_parser("schemas", help=_schemas.__doc__).set_defaults(command=_schemas)
    commands.add_parser("permissions", help=_permissions.__doc__).set_defaults(command=_permissions)
    return parser.parse_args()


def _numbers(text: str) -> tuple[float, ...]:
    return tuple(float(each) for each in text.split(","))


def _add_load(parser: argparse.ArgumentParser) -> None:
    text = "requests/s of the steps; if none are given they follow from serving.load"
    parser.add_argument("--rates", type=_numbers, default=(), metavar="RATE,RATE", help=text)
    parser.add_argument("--spike", type=float, help="requests/s after the steps, twice the largest; 0 is no spike")
    parser.add_argument("--seconds", type=float, default=10.0, help="of a step (%(default)s)")
    text = "a rate is held while its 99th percentile is below (%(default)s)"
    parser.add_argument("--limit-ms", type=float, default=250.0, help=text)
    parser.add_argument("--seed", type=int, default=7, help="of the random times (%(default)s)")
    parser.add_argument("--yes", action="store_true", help="Google Cloud may be asked")


if __name__ == "__main__":
    # A command is over before garbage matters; looking for it takes a fifth of the import of Google's clients.
    gc.disable()
    status = main()
    sys.stdout.flush()
    sys.stderr.flush()
    # All that was started has ended; the interpreter would take another second to take Google's clients apart.
    os._exit(status)
