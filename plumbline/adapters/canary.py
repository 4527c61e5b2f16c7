"""The candidate in a share of the traffic: asked through the endpoint, as callers ask, and compared with the champion.

On Vertex AI nothing says which deployed model a failed request was for, and latencies by model come minutes late in
Cloud Monitoring. So each stage sends requests of its own, whose answers name their model; they are rows of the test
split, so that the candidate's answers are also checked against its offline scores.
"""

import itertools
import math
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import cast

from google.cloud import aiplatform_v1 as vertex

from plumbline.adapters import endpoints as on
from plumbline.adapters.clients import Clients
from plumbline.canary import Canary, Reply, Stage, judge, most_requests
from plumbline.errors import ServiceError
from plumbline.probe import Probe

_CALLERS = 4
_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class Move:
    """The way of the traffic from one deployed model to another."""

    endpoint: vertex.Endpoint
    old: str
    new: str
    probe: Probe
    canary: Canary


def move(clients: Clients, wanted: Move) -> list[Stage]:
    """Moves the traffic, stage by stage; what was seen in each.

    Raises:
        ServiceError: The new one is worse in a stage; the old one has all the traffic again.
    """
    endpoints, endpoint, seen, stages = clients.endpoints(), wanted.endpoint, list[Reply](), list[Stage]()
    try:
        for share in wanted.canary.stages:
            on.share_traffic(endpoints, endpoint, {wanted.new: share, wanted.old: 100 - share})
            replies = _replies(clients, wanted, share)
            stage, fault = judge(wanted.canary, share, wanted.new, replies, seen)
            fault = _wrong(replies, wanted.new, wanted.probe) or fault
            if fault:
                raise ServiceError(
                    f"the candidate was taken back at {share} % of the traffic of {endpoint.display_name}: {fault}"
                )
            seen += replies
            stages.append(stage)
    except BaseException:  # also an interrupt
        on.move_traffic(endpoints, endpoint, wanted.old)
        raise
    return stages


def _wrong(replies: Sequence[Reply], model: str, probe: Probe) -> str:
    for reply in replies:
        offline = probe.scores[reply.row]
        if reply.model == model and not abs(reply.score - offline) <= probe.tolerance:
            return f"row {reply.row} scores {reply.score:.6f} online and {offline:.6f} offline"
    return ""


def _replies(clients: Clients, wanted: Move, share: int) -> Sequence[Reply]:
    """Of rows of the probe in turn, until the candidate has answered often enough and the stage has lasted its time."""
    canary, probe, endpoint = wanted.canary, wanted.probe, wanted.endpoint
    most = most_requests(canary, share)
    pause = canary.hold_s * _CALLERS / most
    found, end, rows = list[Reply](), time.monotonic() + canary.hold_s, itertools.cycle(range(len(probe.instances)))
    with ThreadPoolExecutor(_CALLERS) as pool:
        callers = [clients.predictions(endpoint.dedicated_endpoint_dns) for _ in range(_CALLERS)]
        while len(found) < most and (time.monotonic() < end or _answers(found, wanted.new) < canary.answers):
            asked = [(caller, next(rows)) for caller in callers]
            found += pool.map(lambda each: _ask(each[0], endpoint.name, probe, each[1]), asked)
            if sum(bool(reply.error) for reply in found) > canary.maximum_error_rate * most:
                break
            time.sleep(pause)
    return found


def _answers(replies: Sequence[Reply], model: str) -> int:
    return sum(reply.model == model for reply in replies)


def _ask(predictions: vertex.PredictionServiceClient, endpoint: str, probe: Probe, row: int) -> Reply:
    start = time.monotonic()
    try:
        model, prediction = on.ask(predictions, endpoint, probe.instances[row], timeout_s=_TIMEOUT_S)
    except ServiceError as error:
        return Reply("", (time.monotonic() - start) * 1000, math.nan, row, error=str(error))
    score = float(cast("float", prediction.get("score", math.nan)))
    return Reply(model, (time.monotonic() - start) * 1000, score, row)
