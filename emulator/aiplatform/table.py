"""Reads the table of Vertex AI's methods off the installed SDK: `python -m emulator.aiplatform.table FILE` writes it.

Reading takes seconds, since every client is imported; so the table is a file of this repository, and a test compares it
with the SDK that the lock has.
"""

import importlib
import inspect
import json
import re
import sys
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType

SERVICES = (
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
_VERSION = "v1"
_OPERATION = re.compile(r"from_gapic\(\s*response,[^,]*,\s*([\w.]+),\s*metadata_type=([\w.]+)")


def read() -> Iterator[Mapping[str, str]]:
    """One entry for each method and route."""
    for service in SERVICES:
        package = f"google.cloud.aiplatform_{_VERSION}.services.{service}"
        module = importlib.import_module(f"{package}.client")
        routes = importlib.import_module(f"{package}.transports.rest_base")
        client = _class(module, "Client")
        for name, holder in vars(_class(routes, "RestTransport")).items():
            function = getattr(client, re.sub(r"(?<!^)(?=[A-Z])", "_", name.removeprefix("_Base")).lower(), None)
            if name.startswith("_Base") and hasattr(holder, "_get_http_options") and function is not None:
                yield from _entries(service, name.removeprefix("_Base"), holder, function, module)


def _class(module: ModuleType, suffix: str) -> type:
    own = (c for n, c in vars(module).items() if n.endswith(suffix) and inspect.isclass(c))
    return next(c for c in own if c.__module__ == module.__name__)


def _entries(
    service: str, name: str, holder: typing.Any, function: typing.Any, module: ModuleType
) -> Iterator[Mapping[str, str]]:
    hints = typing.get_type_hints(function, vars(module))
    requests = [t for t in typing.get_args(hints["request"]) if t not in {dict, type(None)}]
    if not requests or not requests[0].__module__.startswith("google.cloud.aiplatform"):
        return  # operations, locations and IAM, which every service has
    found = _OPERATION.search(inspect.getsource(function))
    answer = _resolve(found[1], module) if found else _unpaged(hints.get("return"), requests[0])
    metadata = _resolve(found[2], module) if found else None
    for option in holder._get_http_options():  # noqa: SLF001 - the only place where the SDK holds its routes
        yield {
            "service": service,
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


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(json.dumps(list(read()), indent=0) + "\n", encoding="utf-8")
