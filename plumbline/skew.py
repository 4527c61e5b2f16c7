"""Skew, drift and prediction drift of what an endpoint is asked and answers: distances, thresholds and verdicts.

Skew is between training and what the endpoint was asked; drift is between one window of time and the one before it;
prediction drift is drift of the answers. Two samples come in as counts (`plumbline.skew_counts` for rows in Arrow,
`plumbline.skew_sql` for tables), so this works for any number of rows.

Source: Vertex AI, "Introduction to Model Monitoring"; TFDV, `anomalies/metrics.cc`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from plumbline.alerts import Alert
from plumbline.errors import DataError
from plumbline.features import Features
from plumbline.observation import Period
from plumbline.shift import Histogram, divergence, rank_distance

Kind = Literal["number", "category"]
Objective = Literal["skew", "drift", "prediction drift"]

SCORE, DECISION = "score", "decision"
"""What an answer of the serving container holds: a number in [0, 1], and whether it is above the threshold."""
ANSWERS: Mapping[str, Kind] = {SCORE: "number", DECISION: "category"}


@dataclass(frozen=True, slots=True)
class Counted:
    """One column of one sample."""

    rows: int
    """Rows looked at, those without a value among them."""
    present: int
    """Rows with a value."""
    values: Histogram | Mapping[str, int]
    """Of a number; or the rows of each category that is told apart: see `plumbline.shift.top_ranks`."""


Sample = Mapping[str, Counted]
"""The columns of one sample."""


@dataclass(frozen=True, slots=True)
class Distance:
    """How far one column has moved, and what that means."""

    objective: Objective
    name: str
    kind: Kind
    threshold: float
    """The largest distance that is no anomaly; 0: it is told, but never an anomaly."""
    before: int
    """Values of the baseline: training, or the window before."""
    now: int
    """Values of the window."""
    missing: int
    """Rows of the window without a value."""
    value: float | None
    """In [0, 1]: Jensen-Shannon divergence (base 2) of a number, L-infinity of a category; None where not judged."""
    reason: str = ""
    """Why it is not judged; empty where it is."""

    @property
    def is_judged(self) -> bool:
        """Whether there is a distance."""
        return self.value is not None

    @property
    def is_anomaly(self) -> bool:
        """Whether the distance is above its threshold: an equal one is not. What is not judged has not passed either.

        Source: ThresholdConfig of model_monitoring.proto, "Each feature must have a non-zero threshold".
        """
        return self.value is not None and 0 < self.threshold < self.value


@dataclass(frozen=True, slots=True)
class WatchReport:
    """All distances of one window."""

    distances: tuple[Distance, ...]

    @property
    def anomalies(self) -> tuple[Distance, ...]:
        """Those above their threshold."""
        return tuple(each for each in self.distances if each.is_anomaly)

    @property
    def not_judged(self) -> tuple[Distance, ...]:
        """Those that had too little to compare."""
        return tuple(each for each in self.distances if not each.is_judged)

    @property
    def passed(self) -> bool:
        """Whether everything was judged, there was something, and nothing is an anomaly."""
        return bool(self.distances) and not self.anomalies and not self.not_judged


def alerts(report: WatchReport, *, version: str, period: Period) -> tuple[Alert, ...]:
    """An alert for what is far from training, and one for what is far from the window before; none where nothing is.

    Args:
        report: The distances.
        version: Of the model that serves, by number.
        period: The window.
    """
    kinds: Mapping[Objective, Literal["skew", "drift"]] = {
        "skew": "skew",
        "drift": "drift",
        "prediction drift": "drift",
    }
    found: dict[Literal["skew", "drift"], list[Distance]] = {}
    for each in report.anomalies:
        found.setdefault(kinds[each.objective], []).append(each)
    return tuple(
        Alert(
            kind=kind,
            version=version,
            window_start=period.start,
            window_end=period.end,
            summary=", ".join(f"{each.name} {each.value:.3f} (at most {each.threshold:g})" for each in distances),
        )
        for kind, distances in found.items()
    )


def furthest(report: WatchReport) -> Mapping[str, float]:
    """The largest distance of each column that was judged."""
    found: dict[str, float] = {}
    for each in report.distances:
        if each.value is not None:
            found[each.name] = max(each.value, found.get(each.name, 0.0))
    return found


def table(report: WatchReport) -> Sequence[str]:
    """The report as lines: what moved, how far, the largest distance that is none, and on how many values."""
    width = max((len(each.name) for each in report.distances), default=0)
    return [f"  {each.objective:<16}  {each.name:<{width}}  {_told(each)}" for each in report.distances]


def _told(each: Distance) -> str:
    if each.value is None:
        return f"not judged: {each.reason}"
    measure = "Jensen-Shannon" if each.kind == "number" else "L-infinity"
    verdict = "ANOMALY" if each.is_anomaly else "ok"
    missing = f", {each.missing:,} missing" if each.missing else ""
    return (
        f"{each.value:6.4f}, threshold {each.threshold:g}  {verdict:<7}  "
        f"{measure}, {each.before:,} values before, {each.now:,} now{missing}"
    )


def kinds(features: Features) -> Mapping[str, Kind]:
    """The raw columns that are compared, each with what it is; times are left out: serving is always later."""
    return {
        column.column or name: "number" if column.type == "numeric" else "category"
        for name, column in features.items()
        if column.type != "timestamp"
    }


def judge(  # noqa: PLR0913 - the two samples, and what is asked of them
    objective: Objective,
    before: Sample,
    now: Sample,
    *,
    kinds: Mapping[str, Kind],
    thresholds: Mapping[str, float],
    minimum_rows: int,
) -> Sequence[Distance]:
    """The distance of each column that has a threshold, in their order.

    Args:
        objective: What is compared.
        before: The baseline: training, or the window before.
        now: The window.
        kinds: What each column is.
        thresholds: Of each column that is watched.
        minimum_rows: Values that each side must have; of fewer a distance says more of chance than of the data.

    Raises:
        DataError: A column with a threshold is none of the columns.
    """
    if unknown := sorted(set(thresholds) - set(kinds)):
        raise DataError(f"thresholds are given for {unknown}, which are none of the columns {sorted(kinds)}")
    return [
        _distance(objective, name, kinds[name], before.get(name), now.get(name), threshold, minimum_rows)
        for name, threshold in thresholds.items()
    ]


def _distance(  # noqa: PLR0913, PLR0917 - one argument a field
    objective: Objective,
    name: str,
    kind: Kind,
    before: Counted | None,
    now: Counted | None,
    threshold: float,
    minimum_rows: int,
) -> Distance:
    counts = [0 if side is None else side.present for side in (before, now)]
    value, reason = None, ""
    if before is None or now is None or min(counts) < max(1, minimum_rows):
        reason = f"{counts[0]} values before and {counts[1]} now, wanted at least {max(1, minimum_rows)} of each"
    else:
        try:
            value = distance_between(before, now)
        except DataError as error:
            reason = str(error)
    return Distance(
        objective=objective,
        name=name,
        kind=kind,
        threshold=threshold,
        before=counts[0],
        now=counts[1],
        missing=0 if now is None else now.rows - now.present,
        value=value,
        reason=reason,
    )


def distance_between(before: Counted, now: Counted) -> float:
    """The distance of two samples of one column, in [0, 1].

    Raises:
        DataError: One has no value, or one is a number and the other a category.
    """
    match before.values, now.values:
        case Histogram() as one, Histogram() as other:
            return divergence(one, other)
        case Mapping() as one, Mapping() as other:
            return rank_distance(one, other)
        case _:
            raise DataError("a number cannot be compared with a category")
