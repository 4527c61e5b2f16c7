"""Two optional sections of a problem config about a model that serves: how it is observed, and when it is retrained.

What they mean is in `plumbline.observation` and `plumbline.retraining`.
"""

from typing import Annotated

from pydantic import Field, model_validator

from plumbline.section import Count, Name, Names, Text, from_json, section

Hours = Annotated[int, Field(ge=0, strict=True)]


@section
class Observation:
    """How logged predictions and labels that come late are put together."""

    query: Text
    """The SQL file of the labels, relative to the config. `{table}` in it stands for each of `tables`, and `@start` and
    `@end` (TIMESTAMP) for the window: it gives the rows whose time lies in [start, end) with key, time, label, the
    columns of `join`, `known`, and the columns behind `data.attributes`."""
    tables: Annotated[Names, Field(min_length=1)]
    """The tables that it reads, in the dataset that the environment names."""
    join: Annotated[Names, Field(min_length=1)]
    """Raw columns of the features that tell to which row a logged instance belongs."""
    known: Name
    """The query's column (TIMESTAMP) that says when the label was known: what was predicted then or later is no
    prediction."""
    delay_hours: Hours
    """How long after the end of a window its last label may come."""
    window_hours: Count
    """Length of a window. Windows follow each other without a gap, from 1970 on, UTC."""
    lead_hours: Count = 24
    """How long before the start of a window its first prediction may have been asked for: older log is not read."""
    maximum_bytes: Annotated[int, Field(gt=0)] = 10_000_000_000
    """The join is refused when it would read more than this; of the log it reads all: the table has no partitions."""
    cron: Text = "0 * * * *"
    """When the evaluation pipeline looks, UTC: five fields. A window that was judged is judged the same again."""


@section
class Retraining:
    """When a new training is started; what is left out is no reason. Whichever reason comes first."""

    cron: str = ""
    """Five fields, UTC: a training is due at each such moment."""
    new_rows: Count | None = None
    """A training is due when its training window has so many rows that the champion's did not have."""
    on_alert: bool = False
    """A training is due when there was an alert after the last training began."""
    cooldown_hours: Hours = 24
    """No training begins sooner than this after the one before began."""
    runs_a_day: Count = 1
    """No more trainings than this begin within 24 hours."""

    @model_validator(mode="after")
    def _has_a_reason(self) -> "Retraining":
        if not (self.cron or self.new_rows or self.on_alert):
            raise ValueError("retraining needs a reason: at least one of cron, new_rows and on_alert")
        return self


def read_retraining(text: str) -> Retraining | None:
    """The section of a pipeline's parameter; None where the config has none."""
    return from_json(Retraining, text) if text else None
