"""Open-loop load: requests come by a schedule and not by answers, so a slow endpoint is not asked less.

Latency counts from the moment a request was due. A closed loop, which asks again when it has its answer, leaves out
just those requests that would have waited. Source: Schroeder, Wierman, Harchol-Balter, "Open versus closed: a
cautionary tale", NSDI 2006; G. Tene, "How not to measure latency", on coordinated omission.
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from plumbline.errors import PlumblineError
from plumbline.section import section

PERCENTILES = (50, 90, 99)
LONGEST_S = 600.0
"""That a load may last."""
MOST_REQUESTS = 100_000
"""That a load may make."""
_UNDER_WAY = "under way at the interrupt"
_AFTER = 2.0
"""The quiet after a spike is so many times as long as a step."""


@section
class Step:
    """A rate that is kept up for some time."""

    name: str
    rate: float
    """Requests a second, on the average."""
    seconds: float


@dataclass(frozen=True, slots=True)
class Arrival:
    """A request that is due."""

    due: float
    """Seconds from the start of the load."""
    step: int


@dataclass(frozen=True, slots=True)
class Answered:
    """What became of a request."""

    arrival: Arrival
    latency_s: float
    """From when it was due to the end of its answer."""
    error: str = ""
    """Empty where it was answered well."""


@dataclass(frozen=True, slots=True)
class Count:
    """How many replicas took traffic at a moment."""

    at: float
    """Seconds from the start of the load."""
    replicas: int


@dataclass(frozen=True, slots=True)
class Order:
    """A load as it is asked for."""

    endpoint: str
    """Resource name."""
    started: str
    """ISO 8601, UTC."""
    steps: Sequence[Step]
    schedule: Sequence[Arrival]
    limit_ms: float
    """A step is held when it has no error and its 99th percentile is below."""


@dataclass(frozen=True, slots=True)
class Generated:
    """What came of a schedule."""

    answers: Sequence[Answered]
    counts: Sequence[Count]
    elapsed_s: float
    """Up to the last request that was due, or to the interrupt."""
    interrupted: bool


@section
class StepResult:
    """What was measured in a step."""

    step: Step
    due: int
    """Requests that the schedule had."""
    answered: int
    """Of those, answered well."""
    errors: Mapping[str, int]
    """Requests by what was wrong."""
    milliseconds: Mapping[str, float]
    """Latency of what was answered well, by percentile and `max`; empty where nothing was."""
    fewest_replicas: int | None
    most_replicas: int | None

    @property
    def failed(self) -> int:
        """Requests that were not answered well, or not at all."""
        return self.due - self.answered


@section
class Second:
    """What was measured of the requests that were due in one second."""

    at: int
    due: int
    answered: int
    milliseconds: Mapping[str, float]
    replicas: int | None


@section
class LoadResult:
    """A load as it was measured."""

    endpoint: str
    started: str
    """ISO 8601, UTC."""
    limit_ms: float
    """A step is held when it has no error and its 99th percentile is below."""
    interrupted: bool
    steps: Sequence[StepResult]
    seconds: Sequence[Second]
    held: float | None
    """The largest rate that was held; None where none was."""
    held_by_one: float | None
    """The largest rate that was held while there was one replica."""


def profile(rates: Sequence[float], *, seconds: float, spike: float = 0.0) -> Sequence[Step]:
    """The steps of a load: each rate in turn, and where there is a spike, the spike and the first rate again.

    Args:
        rates: Requests a second of the steps.
        seconds: How long each step lasts; what comes after a spike lasts twice as long.
        spike: Requests a second; 0 is no spike.

    Raises:
        PlumblineError: A rate or a time is not above 0, or all together is longer or more than is allowed.
    """
    if not rates or min(rates) <= 0 or seconds <= 0 or spike < 0:
        raise PlumblineError(
            f"wanted rates and seconds above 0 and a spike of at least 0, got {list(rates)}, {seconds:g}, {spike:g}"
        )
    steps = [Step(name="step", rate=rate, seconds=seconds) for rate in rates]
    if spike:
        steps.append(Step(name="spike", rate=spike, seconds=seconds))
        steps.append(Step(name="after", rate=rates[0], seconds=_AFTER * seconds))
    lasts, requests = length(steps), expected(steps)
    if lasts > LONGEST_S or requests > MOST_REQUESTS:
        raise PlumblineError(
            f"a load may last {LONGEST_S:g} s and make {MOST_REQUESTS:,} requests, this one would last {lasts:g} s and "
            f"make about {requests:,.0f}: lower the rates or the seconds"
        )
    return steps


def length(steps: Sequence[Step]) -> float:
    """Seconds that the steps last."""
    return sum(step.seconds for step in steps)


def expected(steps: Sequence[Step]) -> float:
    """Requests that the steps make on the average."""
    return sum(step.seconds * step.rate for step in steps)


def arrivals(steps: Sequence[Step], *, seed: int) -> Sequence[Arrival]:
    """When requests are due: a Poisson process of each step's rate, the same for the same seed.

    The gaps of a Poisson process are exponential, with a mean of 1 / rate.
    """
    generator = np.random.default_rng(seed)
    found: list[Arrival] = []
    start = 0.0
    for number, step in enumerate(steps):
        due = start + generator.exponential(1 / step.rate)
        while due < start + step.seconds:
            found.append(Arrival(float(due), number))
            due += generator.exponential(1 / step.rate)
        start += step.seconds
    return found


def result(order: Order, found: Generated) -> LoadResult:
    """What a load has shown; of one that was interrupted, by what was due until then."""
    until = found.elapsed_s if found.interrupted else math.inf
    due = [arrival for arrival in order.schedule if arrival.due <= until]
    begun = [step for number, step in enumerate(order.steps) if any(arrival.step == number for arrival in due)]
    results = measured(begun, due, found.answers, found.counts)
    return LoadResult(
        endpoint=order.endpoint,
        started=order.started,
        limit_ms=order.limit_ms,
        interrupted=found.interrupted,
        steps=results,
        seconds=by_second(due, found.answers, found.counts),
        held=held(results, limit_ms=order.limit_ms),
        held_by_one=held(results, limit_ms=order.limit_ms, replicas=1),
    )


def measured(
    steps: Sequence[Step], schedule: Sequence[Arrival], answers: Sequence[Answered], counts: Sequence[Count]
) -> Sequence[StepResult]:
    """What was measured in each step.

    Args:
        steps: The steps that were begun.
        schedule: The requests that were due in them.
        answers: What became of each; a request without an entry was under way when the load was interrupted.
        counts: Replicas, in the order of time.
    """
    ends = list(itertools.accumulate(step.seconds for step in steps))
    results = []
    for number, (step, end) in enumerate(zip(steps, ends, strict=True)):
        own = [answer for answer in answers if answer.arrival.step == number]
        due = sum(arrival.step == number for arrival in schedule)
        errors: dict[str, int] = {}
        for answer in own:
            if answer.error:
                errors[answer.error] = errors.get(answer.error, 0) + 1
        if missing := due - len(own):
            errors[_UNDER_WAY] = missing
        seen = [count.replicas for count in counts if end - step.seconds <= count.at < end]
        well = [answer.latency_s for answer in own if not answer.error]
        results.append(
            StepResult(
                step=step,
                due=due,
                answered=len(well),
                errors=errors,
                milliseconds=percentiles(well),
                fewest_replicas=min(seen, default=None),
                most_replicas=max(seen, default=None),
            )
        )
    return results


def by_second(schedule: Sequence[Arrival], answers: Sequence[Answered], counts: Sequence[Count]) -> Sequence[Second]:
    """What was measured of each second of a load, by when requests were due."""
    length_s = 1 + int(max((arrival.due for arrival in schedule), default=0.0))
    due = [0] * length_s
    latencies: list[list[float]] = [[] for _ in range(length_s)]
    for arrival in schedule:
        due[int(arrival.due)] += 1
    for answer in answers:
        if not answer.error:
            latencies[int(answer.arrival.due)].append(answer.latency_s)
    replicas = {int(count.at): count.replicas for count in counts}
    return [
        Second(at=at, due=due[at], answered=len(well), milliseconds=percentiles(well), replicas=replicas.get(at))
        for at, well in enumerate(latencies)
    ]


def percentiles(latencies_s: Sequence[float]) -> Mapping[str, float]:
    """Milliseconds by percentile (`50`, `90`, `99`) and `max`; empty for none."""
    if not latencies_s:
        return {}
    values = [float(value) * 1000 for value in np.percentile(latencies_s, (*PERCENTILES, 100))]
    return dict(zip((*(str(each) for each in PERCENTILES), "max"), (round(value, 2) for value in values), strict=True))


def held(results: Sequence[StepResult], *, limit_ms: float, replicas: int | None = None) -> float | None:
    """The largest rate that was held: its 99th percentile is below the limit, and nothing went wrong.

    A step with an error or without an answer is not held, however fast the rest was.

    Args:
        results: Of the steps.
        limit_ms: Of the 99th percentile.
        replicas: Only steps during which there were never more count; None counts all.
    """
    rates = [
        result.step.rate
        for result in results
        if result.answered
        and not result.failed
        and result.milliseconds["99"] < limit_ms
        and (replicas is None or (result.most_replicas is not None and result.most_replicas <= replicas))
    ]
    return max(rates, default=None)


def table(result: LoadResult) -> Sequence[str]:
    """The result as lines for a terminal."""
    lines = ["              rate    due  answered  errors  p50 ms  p90 ms  p99 ms  max ms  replicas"]
    for each in result.steps:
        times = "".join(f"{each.milliseconds[name]:8.1f}" if each.milliseconds else "       -" for name in _COLUMNS)
        lines.append(
            f"  {each.step.name:<8} {each.step.rate:7g} {each.due:6} {each.answered:9} {each.failed:7}{times}  "
            f"{described_replicas(each):>8}"
        )
    return [*lines, *_told(result)]


_COLUMNS = (*(str(each) for each in PERCENTILES), "max")


def described_replicas(result: StepResult) -> str:
    """The replicas during a step: `1`, `1 to 3`, or `?` where nobody said."""
    if result.fewest_replicas is None:
        return "?"
    same = result.fewest_replicas == result.most_replicas
    return f"{result.fewest_replicas}" if same else f"{result.fewest_replicas} to {result.most_replicas}"


def _told(result: LoadResult) -> Sequence[str]:
    limit = f"p99 below {result.limit_ms:g} ms, no error"
    one = "not seen" if result.held_by_one is None else f"{result.held_by_one:g} requests/s"
    most = "nothing" if result.held is None else f"{result.held:g} requests/s"
    errors = [f"    {number} x {error}" for each in result.steps for error, number in each.errors.items()]
    found = [f"  held ({limit}): {most}; with one replica: {one}"]
    if result.interrupted:
        found.append("  interrupted: what was due until then counts")
    return [*found, *errors[:10]]
