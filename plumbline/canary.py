"""How the traffic moves to a new version, and when it is taken back."""

import math
import statistics
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field, field_validator

from plumbline.section import Count, Fraction, Positive, section

_ALL = 100
_MOST_TRIES = 4
"""Requests of a stage, as a multiple of those that its share should take."""


@section
class Canary:
    """The stages in which the traffic moves, and what the candidate has to be like in each."""

    stages: Annotated[tuple[Annotated[int, Field(ge=1, le=_ALL, strict=True)], ...], Field(min_length=1)] = (5, 50, 100)
    """Per cent of the traffic, one after the other; the last is all of it."""
    answers: Count = 20
    """Answers of the candidate that a stage is judged by, at least."""
    hold_s: Annotated[float, Field(ge=0, le=86_400)] = 0.0
    """Seconds that a stage takes at least, with its requests spread over them: time for callers to see a fault."""
    maximum_error_rate: Fraction = 0.0
    """Of the stage's requests. Whose error it is nobody says, so it counts against the candidate."""
    maximum_latency_ratio: Positive = 3.0
    """Its median latency over the champion's."""
    tolerated_latency_ms: Positive = 50.0
    """A median of up to this is fast enough, whatever the ratio."""
    maximum_shift: Fraction = 0.9
    """Kolmogorov-Smirnov distance between its scores and the champion's, of the same rows; 1 lets everything pass. A
    stage has few rows, and a model of another season scores them all higher or lower: only what has next to nothing in
    common with the version before is stopped. The shadow has more rows, and the gates have seen more."""
    shadow: Annotated[int, Field(ge=0, le=10_000)] = 0
    """Logged requests that the candidate is asked on the staging endpoint, with no effect, before it gets traffic."""

    @field_validator("stages")
    @classmethod
    def _ascending(cls, stages: tuple[int, ...]) -> tuple[int, ...]:
        if list(stages) != sorted(set(stages)) or stages[-1] != _ALL:
            raise ValueError(f"stages must ascend and end with 100, got {list(stages)}")
        return stages


@dataclass(frozen=True, slots=True)
class Reply:
    """What came of one request."""

    model: str
    """Id of the deployed model that has answered; empty where none has."""
    milliseconds: float
    score: float
    """NaN where there is none."""
    row: int
    """The probe's row that was asked about."""
    error: str = ""


@dataclass(frozen=True, slots=True)
class Stage:
    """What was seen while the candidate had a share of the traffic."""

    share: int
    answers: int
    """Of the candidate."""
    error_rate: float
    latency_ms: float
    """The candidate's median."""
    champion_latency_ms: float
    shift: float


def most_requests(canary: Canary, share: int) -> int:
    """How many requests a stage may take until the candidate has given its answers: it may never give them."""
    return _MOST_TRIES * -(-canary.answers * _ALL // share)


def judge(
    canary: Canary, share: int, candidate: str, replies: Sequence[Reply], before: Sequence[Reply]
) -> tuple[Stage, str]:
    """What a stage has shown, and why the candidate must not go on; empty where it may.

    Args:
        canary: The limits.
        share: The candidate's, in per cent.
        candidate: Id of its deployed model.
        replies: All of this stage.
        before: Those of earlier stages, for the champion's: in the last stage it gives none.
    """
    own = [reply for reply in replies if reply.model == candidate]
    others = [reply for reply in (*before, *replies) if reply.model not in {candidate, ""}]
    errors = [reply for reply in replies if reply.error]
    stage = Stage(
        share=share,
        answers=len(own),
        error_rate=len(errors) / max(1, len(replies)),
        latency_ms=_median(own),
        champion_latency_ms=_median(others),
        shift=_shift(own, others),
    )
    return stage, _fault(canary, stage, errors, has_champion=bool(others))


def _fault(canary: Canary, stage: Stage, errors: Sequence[Reply], *, has_champion: bool) -> str:
    if stage.error_rate > canary.maximum_error_rate:
        return f"{stage.error_rate:.1%} of the requests failed, the first with: {errors[0].error}"
    if stage.answers < canary.answers:
        return f"it gave {stage.answers} answers, wanted {canary.answers}: its traffic does not reach it"
    if not has_champion:
        return "the version before gave no answer to compare with"
    allowed = max(canary.tolerated_latency_ms, canary.maximum_latency_ratio * stage.champion_latency_ms)
    if not stage.latency_ms <= allowed:
        told = f"{stage.latency_ms:.0f} ms in the median, the version before {stage.champion_latency_ms:.0f} ms"
        return f"it takes {told}; up to {allowed:.0f} ms are allowed"
    if not stage.shift <= canary.maximum_shift:
        return f"its scores are {stage.shift:.2f} from those of the version before, at most {canary.maximum_shift:g}"
    return ""


def scores_apart(one: Sequence[float], other: Sequence[float]) -> float:
    """The Kolmogorov-Smirnov distance of two samples of scores, in [0, 1]; NaN where one is empty or has a NaN.

    It is the largest difference between the shares of both that lie below a score, whatever the score.
    """
    if not one or not other or not all(map(math.isfinite, (*one, *other))):
        return math.nan
    first, second = sorted(one), sorted(other)
    shares = ((bisect_right(sample, score) / len(sample) for sample in (first, second)) for score in (*one, *other))
    return max(abs(share - other_share) for share, other_share in shares)


def _shift(own: Sequence[Reply], others: Sequence[Reply]) -> float:
    """Of the rows that both were asked: which rows a version is asked is chance, and no difference between them."""
    first, second = ({reply.row: reply.score for reply in replies} for replies in (own, others))
    both = sorted(first.keys() & second.keys())
    return scores_apart([first[row] for row in both], [second[row] for row in both])


def _median(replies: Sequence[Reply]) -> float:
    return statistics.median(reply.milliseconds for reply in replies) if replies else float("nan")
