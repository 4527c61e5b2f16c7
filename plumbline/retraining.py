"""Continuous training: whether to train now, why, and on which windows of time. The decision is a function of facts."""

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence

from plumbline.alerts import Alert
from plumbline.continuous import Retraining
from plumbline.cron import due
from plumbline.evidence import Evidence, Reason
from plumbline.problem import Split, Window
from plumbline.runs import ENDED
from plumbline.section import section

_DAY = dt.timedelta(days=1)
_TOLD = 20
"""Alerts that go with a run: it has all of them in a parameter. The text counts them all."""
_FAILED = frozenset(("FAILED", "CANCELLED"))


@section
class Training:
    """A training pipeline job, as the decision must know it."""

    run: str
    """Its id."""
    state: str
    started: dt.datetime


@section
class Facts:
    """Everything that the decision looks at."""

    now: dt.datetime
    """With its time zone, as all times here."""
    trainings: tuple[Training, ...]
    """Of this problem, in any order."""
    champion: str
    """Version that serves, by number; empty where none does."""
    trained_to: dt.date | None
    """The last day in the champion's training rows; None where that is not known."""
    split: Split
    """The windows that a training would have now; the config's where rows were not counted."""
    new_rows: int | None
    """Rows of its training window after `trained_to`; None where they were not counted: see `standing`."""
    alerts: tuple[Alert, ...]
    """Raised after the last training began that has not failed, the newest first."""
    tried: Split | None = None
    """The windows of that training; None where there is none."""

    @property
    def last(self) -> Training | None:
        """The training that began last."""
        return latest(self.trainings)

    @property
    def answer(self) -> Training | None:
        """The last training that has not failed: what was a reason for it is none any more."""
        return latest(training for training in self.trainings if training.state not in _FAILED)


@section
class Decision:
    """Whether to train now."""

    train: bool
    text: str
    """What was decided and why, as a sentence."""
    blocked: tuple[str, ...] = ()
    """What stands against it, where there is a reason."""
    evidence: Evidence | None = None
    """None where nobody asked for it, and where no row was counted."""
    facts: Facts | None = None
    """What it was made of."""


def latest(trainings: Iterable[Training]) -> Training | None:
    """The training that began last."""
    return max(trainings, key=lambda training: training.started, default=None)


NEVER = Decision(train=False, text="do not train: the config has no section `retraining`")
"""The decision of a problem that is not retrained by itself."""


def decide(facts: Facts, retraining: Retraining) -> Decision:
    """Whether to train now: there is a reason, and nothing stands against it."""
    found = dict(_reasons(facts, retraining))
    against = (*standing(facts, retraining), *_stale(facts))
    if facts.new_rows is None:
        against = against or ("its rows were not counted",)
    because, train = "; ".join(found.values()), bool(found) and not against
    if train:
        text = f"train: {because}"
    elif found:
        text = f"do not train, although {because}: {'; '.join(against)}"
    elif facts.new_rows is None:
        text = f"do not train: {'; '.join(against)}"
    else:
        text = f"do not train: no reason ({_quiet(facts, retraining)})"
    evidence = None if facts.new_rows is None else _evidence(facts, because, tuple(found))
    return Decision(train=train, text=text, blocked=against if found else (), evidence=evidence, facts=facts)


def _evidence(facts: Facts, because: str, reasons: tuple[Reason, ...]) -> Evidence:
    return Evidence(
        reasons=reasons,
        text=because,
        decided_at=facts.now.isoformat(),
        champion=facts.champion,
        last_training=facts.last.run if facts.last else "",
        new_rows=facts.new_rows or 0,
        alerts=facts.alerts[:_TOLD],
        split=facts.split,
    )


def first_day(days: Iterable[dt.date], now: dt.datetime, split: Split) -> dt.date:
    """The first day that no window has: of data that ends today, the day is not over; without data the config's.

    Args:
        days: With a row, on the clock of the rows.
        now: The time.
        split: The config's windows.
    """
    last = max(days, default=None)
    return split.test.end if last is None else min(last + _DAY, now.date())


def new_rows(by_day: Mapping[dt.date, int], train: Window, trained_to: dt.date | None) -> int:
    """Rows of a training window after the last day that a model was trained on.

    Args:
        by_day: Rows of each day.
        train: The window.
        trained_to: That day; None where nothing was trained yet, so that all rows are new.
    """
    start = train.start if trained_to is None else max(train.start, trained_to + _DAY)
    return sum(count for day, count in by_day.items() if start <= day < train.end)


def moved(split: Split, day: dt.date) -> Split:
    """The windows moved in time, their lengths and the gaps between them kept, so that the test window ends on a day.

    Args:
        split: The config's windows.
        day: The first day that is not in any window any more.
    """
    by = day - split.test.end

    def move(window: Window) -> Window:
        return Window(start=window.start + by, end=window.end + by)

    return Split(train=move(split.train), validation=move(split.validation), test=move(split.test))


def _reasons(facts: Facts, retraining: Retraining) -> Iterator[tuple[Reason, str]]:
    if retraining.on_alert and facts.alerts:
        newest = facts.alerts[0]
        yield "alert", f"{len(facts.alerts)} alert(s) since the last training, the newest: {newest.summary}"
    if retraining.new_rows and facts.new_rows and facts.new_rows >= retraining.new_rows:
        told = f"{facts.new_rows:,} new rows since {facts.trained_to or 'ever'}, wanted {retraining.new_rows:,}"
        yield "new rows", told
    if retraining.cron:
        if facts.answer is None:
            yield "schedule", f"nothing was trained yet (cron {retraining.cron})"
        elif moment := due(retraining.cron, facts.answer.started, facts.now):
            yield "schedule", f"due since {moment:%Y-%m-%d %H:%M} UTC (cron {retraining.cron})"


def standing(facts: Facts, retraining: Retraining) -> Iterator[str]:
    """What stands against a training whatever rows there are, so that they need not be counted."""
    if under_way := [training.run for training in facts.trainings if training.state not in ENDED]:
        yield f"{under_way[0]} is under way"
    if facts.last is not None:
        free = facts.last.started + dt.timedelta(hours=retraining.cooldown_hours)
        if facts.now < free:
            yield f"cool-down until {free:%Y-%m-%d %H:%M} UTC, after {facts.last.run}"
    today = sum(facts.now - training.started < _DAY for training in facts.trainings)
    if today >= retraining.runs_a_day:
        yield f"{today} of {retraining.runs_a_day} training(s) have begun within 24 hours"


def _stale(facts: Facts) -> Iterator[str]:
    """What stands against a training on these rows."""
    if facts.new_rows is None:
        return
    if facts.new_rows == 0:
        yield f"no row is new since {facts.trained_to or 'ever'}: the same rows give the same model"
    elif facts.answer is not None and facts.tried == facts.split:
        yield f"{facts.answer.run} had the same windows, which end on {facts.split.test.end}"


def _quiet(facts: Facts, retraining: Retraining) -> str:
    said: Sequence[str] = (
        *([f"{facts.new_rows:,} of {retraining.new_rows:,} new rows"] if retraining.new_rows else []),
        *(["no alert since the last training"] if retraining.on_alert else []),
        *([f"cron {retraining.cron} is not due"] if retraining.cron else []),
    )
    return ", ".join(said)
