"""The time that a monitoring job looks at, and the requests of it."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

import yaml

from emulator.aiplatform.bigquery import text
from emulator.aiplatform.context import Context
from emulator.aiplatform.errors import not_found, unimplemented

_PARTS = 1_000_000
"""A sample's rate is a number of these."""
_NUMBERS = frozenset(("number", "integer"))


@dataclass(frozen=True, slots=True)
class Span:
    """The time that is looked at."""

    start: dt.datetime
    end: dt.datetime
    has_before: bool
    """Whether the window before was watched, too."""

    @property
    def before(self) -> "Span":
        """The window before, as long as this one."""
        return Span(self.start - (self.end - self.start), self.start, has_before=False)


@dataclass(frozen=True, slots=True)
class Schema:
    """Of an instance."""

    order: tuple[str, ...] = ()
    """Of the values of an array; empty where an instance is an object."""
    numbers: Mapping[str, bool] | None = None
    """Whether a feature is a number; None: as the values are."""


@dataclass(frozen=True, slots=True)
class Instances:
    """Some instances in a log."""

    source: str
    """SQL from FROM on; `each` is the JSON of an instance."""
    order: tuple[str, ...] = ()
    """As in `Schema`."""


def asked(table: str, model: str, span: Span, *, rate: float = 1.0, salt: str = "") -> str:
    """SQL from FROM on: the instances that a deployed model was asked in a time, as `each`.

    Args:
        table: project.dataset.table of the log.
        model: The deployed model's id.
        span: The time.
        rate: In (0, 1]: the share of the requests, the same ones whenever it is asked.
        salt: Who asks.
    """
    times = (f"TIMESTAMP '{each.astimezone(dt.UTC):%Y-%m-%d %H:%M:%S.%f}+00'" for each in (span.start, span.end))
    share = f"MOD(md5_number_lower(CONCAT({text(salt)}, CAST(request_id AS STRING))), {_PARTS})"
    sampled = f" AND {share} < {round(rate * _PARTS)}" if rate < 1 else ""
    # The condition stands inside: behind UNNEST, DuckDB would read the JSON of an instance once for each feature.
    return f"""FROM (
  SELECT request_payload FROM `{table}`
  WHERE deployed_model_id = '{int(model)}' AND logging_time >= {next(times)} AND logging_time < {next(times)}{sampled}
) AS logged, UNNEST(request_payload) AS each"""  # noqa: S608 - a number, and times


def schema_of(context: Context, uri: str) -> Schema:
    """The analysis schema of an instance.

    Source: Vertex AI, "Provide schemas to Model Monitoring": an OpenAPI object; `required` is the order of an array.

    Raises:
        ApiError: There is none at the URI, or instances are neither objects nor arrays.
    """
    if not uri:
        return Schema()
    try:
        content = yaml.safe_load(context.object_path(uri).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise not_found(uri) from error
    kind, properties = content.get("type", "object"), content.get("properties", {})
    if kind not in {"object", "array"}:
        raise unimplemented(f"an instance of type {kind!r}")
    numbers = {name: entry.get("type") in _NUMBERS for name, entry in properties.items()}
    return Schema(tuple(content.get("required", properties)) if kind == "array" else (), numbers)
