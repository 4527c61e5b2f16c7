"""Reads tables of methods off the installed SDKs: `python -m emulator.aiplatform.table FILE` writes that of Vertex AI.

Reading takes seconds, since every client is imported; so the table is a file of this repository, and a test compares it
with the SDK that the lock has.
"""

import importlib
import inspect
import json
import re
import sys
import typing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType

SERVICES = tuple(
    f"google.cloud.aiplatform_v1.services.{service}"
    for service in (
        "dataset_service",
        "endpoint_service",
        "job_service",
        "metadata_service",
        "model_service",
        "pipeline_service",
        "prediction_service",
        "schedule_service",
        "tensorboard_service",
    )
)
"""Packages of clients."""
_OPERATION = re.compile(r"from_gapic\(\s*response,[^,]*,\s*([\w.]+),\s*metadata_type=([\w.]+)")


def read(services: Sequence[str], shared: Sequence[str] = ()) -> Iterator[Mapping[str, str]]:
    """One entry for each method and route.

    Args:
        services: Packages of clients.
        shared: Packages whose requests belong to the methods too. Without any these are the methods whose requests are
            messages of the service's own, hence not operations, locations and IAM, which every service has.
    """
    for package in services:
        module = importlib.import_module(f"{package}.client")
        routes = importlib.import_module(f"{package}.transports.rest_base")
        known = (package.partition(".services.")[0], *shared)
        client = _class(module, "Client")
        for name, holder in vars(_class(routes, "RestTransport")).items():
            function = getattr(client, re.sub(r"(?<!^)(?=[A-Z])", "_", name.removeprefix("_Base")).lower(), None)
            if name.startswith("_Base") and hasattr(holder, "_get_http_options") and function is not None:
                yield from _entries(package, name.removeprefix("_Base"), holder, function, known)


def _class(module: ModuleType, suffix: str) -> type:
    own = (c for n, c in vars(module).items() if n.endswith(suffix) and inspect.isclass(c))
    return next(c for c in own if c.__module__ == module.__name__)


def _entries(
    package: str, name: str, holder: typing.Any, function: typing.Any, known: tuple[str, ...]
) -> Iterator[Mapping[str, str]]:
    module = sys.modules[f"{package}.client"]
    hints = typing.get_type_hints(function, vars(module))
    requests = [t for t in typing.get_args(hints["request"]) if t not in {dict, type(None)}]
    if not requests or not requests[0].__module__.startswith(known):
        return
    found = _OPERATION.search(inspect.getsource(function))
    answer = _resolve(found[1], module) if found else _unpaged(hints.get("return"), requests[0])
    metadata = _resolve(found[2], module) if found else None
    for option in holder._get_http_options():  # noqa: SLF001 - the only place where the SDK holds its routes
        yield {
            "service": package.rpartition(".")[2],
            "name": name,
            "verb": option["method"].upper(),
            "uri": option["uri"],
            "body": option.get("body", ""),
            "request": _path(requests[0]),
            "response": _path(answer),
            "metadata": _path(metadata),
        }


def _unpaged(answer: typing.Any, request: typing.Any) -> typing.Any:
    """The message behind a pager, which walks through it for the caller."""
    if not inspect.isclass(answer) or not answer.__name__.endswith("Pager"):
        return answer
    return getattr(sys.modules[request.__module__], request.__name__.replace("Request", "Response"))


def _resolve(path: str, module: ModuleType) -> typing.Any:
    found: typing.Any = module
    for part in path.split("."):
        found = getattr(found, part)
    return found


def _path(kind: typing.Any) -> str:
    return f"{kind.__module__}:{kind.__qualname__}" if inspect.isclass(kind) and kind is not type(None) else ""


def write(entries: Iterable[Mapping[str, str]], path: str) -> None:
    """Writes a table to a file of JSON."""
    Path(path).write_text(json.dumps(list(entries), indent=0) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write(read(SERVICES), sys.argv[1])
