"""Autoscaling in the emulator: a spike brings replicas, quiet takes them away, and a dead one is replaced."""

import json
import os
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from google.cloud import aiplatform_v1 as v1
from google.protobuf import json_format

from tests.contract import vertex as vx
from tests.contract.conftest import Emulator
from tests.contract.vertex import Vertex, available, deploy, named_endpoint, pids, upload
from tests.waiting import alive, soon

CPU = "aiplatform.googleapis.com/prediction/online/cpu/utilization"
REQUESTS = "aiplatform.googleapis.com/prediction/online/request_count"
_SOON_S = 30.0
_QUIET_S = 60.0


@pytest.fixture(scope="module")
def vertex(emulator: Emulator) -> Vertex:
    """Clients of the shared emulator."""
    return vx.connect(emulator)


def served(vertex: Vertex, metric: str, target: int, *, least: int = 1, most: int = 3, **env: str) -> str:
    """An endpoint whose model scales by a metric; its container has these variables."""
    variables = [v1.EnvVar(name=name, value=value) for name, value in env.items()]
    spec = v1.ModelContainerSpec(image_uri=vx.IMAGE, command=vx.SERVING, env=variables)
    to = named_endpoint(vertex)
    deploy(
        vertex,
        to,
        upload(vertex, container_spec=spec),
        min_replica_count=least,
        max_replica_count=most,
        autoscaling_metric_specs=[v1.AutoscalingMetricSpec(metric_name=metric, target=target)],
    )
    return to


@contextmanager
def asked(vertex: Vertex, of: str, callers: int) -> Iterator[list[Mapping[str, object]]]:
    """Callers that ask without a pause as long as the context lasts; what they were answered, with what was asked.

    An error of any of them is raised in the end.
    """
    stop, answers = threading.Event(), list[Mapping[str, object]]()

    def ask(caller: int) -> None:
        predictions = vx.clients(vertex.url, vertex.state).predictions
        for number in range(10**6):
            if stop.is_set():
                return
            answer = predictions.predict(endpoint=of, instances=[{"caller": caller, "number": number}])
            (said,) = json_format.MessageToDict(v1.PredictResponse.pb(answer))["predictions"]
            assert said["instance"] == {"caller": caller, "number": number}
            answers.append(said)

    with ThreadPoolExecutor(callers) as pool:
        asking = [pool.submit(ask, caller) for caller in range(callers)]
        try:
            yield answers
        finally:
            stop.set()
        for each in asking:
            each.result()


def record(vertex: Vertex, of: str) -> Sequence[Mapping[str, int]]:
    """What was written down about an endpoint."""
    lines = (vertex.state / "logs" / "autoscaling.jsonl").read_text(encoding="utf-8").splitlines()
    return [found for line in lines if (found := json.loads(line))["endpoint"] == of]


@pytest.mark.parametrize(("metric", "target", "work"), [(REQUESTS, 60, "0"), (CPU, 10, "0.02")])
def test_a_spike_adds_replicas_up_to_the_maximum_and_quiet_takes_them_away(
    vertex: Vertex, metric: str, target: int, work: str
) -> None:
    """By requests a minute as by CPU; all of them answer, nothing fails on the way, and the record says it."""
    to = served(vertex, metric, target, WORK=work)
    assert available(vertex, to) == 1
    with asked(vertex, to, 3) as answers:
        assert soon(lambda: available(vertex, to) == 3, within_s=_SOON_S)
        reached = len(answers)
        assert soon(lambda: len(answers) > reached + 30, within_s=_SOON_S)
        assert len(_answering(answers[reached:])) == 3
    assert soon(lambda: available(vertex, to) == 1, within_s=_QUIET_S)
    assert soon(lambda: len(vx.containers_of(to)) == 1, within_s=_SOON_S)
    seen = record(vertex, to)
    assert max(line["wanted"] for line in seen) == 3
    assert {line["replicas"] for line in seen} >= {1, 3}
    assert all(1 <= line["wanted"] <= 3 for line in seen)
    assert max(line["utilisation" if metric == CPU else "requestsPerMinute"] for line in seen) > target


def test_load_below_the_target_changes_nothing(vertex: Vertex) -> None:
    """So many requests a minute that one replica suffices leave it alone."""
    to = served(vertex, REQUESTS, 10**6)
    with asked(vertex, to, 2) as answers:
        assert soon(lambda: len(answers) > 200, within_s=_SOON_S)
        assert available(vertex, to) == 1
    assert len(vx.containers_of(to)) == 1


def test_a_replica_that_is_killed_under_load_costs_no_prediction(vertex: Vertex) -> None:
    """What it broke off is asked of another, each answer fits its question, and another one comes in its place."""
    to = served(vertex, CPU, 100, least=2, most=2, WORK="0.005")
    before = pids(vertex, to)
    with asked(vertex, to, 4) as answers:
        for killed in before:
            os.kill(killed, 9)
            assert soon(lambda killed=killed: not alive(killed), within_s=_SOON_S)  # type: ignore[misc]
            there = len(answers)

            def answering(there: int = there, killed: int = killed) -> set[object]:
                # An answer of the killed one may still have been on its way.
                return _answering(answers[there:]) - {killed}

            assert soon(lambda answering=answering: len(answering()) == 2, within_s=_SOON_S)  # type: ignore[misc]
        assert not answering() & set(before)
    assert available(vertex, to) == 2


def _answering(answers: Sequence[Mapping[str, object]]) -> set[object]:
    return {said["pid"] for said in answers}


def test_a_replica_that_is_taken_away_answers_what_it_was_asked(vertex: Vertex) -> None:
    """Predictions that are under way when the maximum falls are answered by the one that leaves."""
    to = served(vertex, CPU, 60, least=2, most=2, LONG="2")
    (deployed,) = vertex.endpoints.get_endpoint(name=to).deployed_models
    with ThreadPoolExecutor(4) as pool:
        asking = [pool.submit(pids, vertex, to, 1) for _ in range(4)]
        time.sleep(0.5)
        resources = v1.DedicatedResources(min_replica_count=1, max_replica_count=1)
        wanted = v1.DeployedModel(id=deployed.id, dedicated_resources=resources)
        fields = ["dedicated_resources.min_replica_count", "dedicated_resources.max_replica_count"]
        mask = {"paths": fields}
        vx.done(vertex.endpoints.mutate_deployed_model(endpoint=to, deployed_model=wanted, update_mask=mask))
        assert soon(lambda: available(vertex, to) == 1, within_s=1.0)
        answered_by = {pid for each in asking for pid in each.result()}
    assert len(answered_by) == 2
    assert soon(lambda: len(vx.containers_of(to)) == 1, within_s=_SOON_S)


def test_a_start_that_fails_is_repeated(vertex: Vertex, tmp_path: Path) -> None:
    """A replica is killed while no other can start; once one can, there is one again."""
    broken, tried = tmp_path / "broken", tmp_path / "tried"
    script = f'test -e "{broken}" && touch "{tried}" && exit 3; exec "$@"'
    spec = v1.ModelContainerSpec(image_uri=vx.IMAGE, command=["/bin/sh", "-c", script, "sh", *vx.SERVING])
    to = named_endpoint(vertex)
    deploy(vertex, to, upload(vertex, container_spec=spec))
    (pid,) = pids(vertex, to, 1)
    broken.touch()
    os.kill(pid, 9)
    assert soon(tried.exists, within_s=_SOON_S)
    vx.refused("UNAVAILABLE", "no replica", lambda: pids(vertex, to, 1))
    broken.unlink()
    assert soon(lambda: available(vertex, to) == 1, within_s=_SOON_S)
    assert pids(vertex, to, 1) != [pid]


def test_undeploying_cancels_a_rescaling_that_waits(vertex: Vertex, tmp_path: Path) -> None:
    """A second replica that does not become healthy is not waited for when all are to go; nothing is left."""
    slow = tmp_path / "slow"
    script = f'test -e "{slow}" && exec sleep 100; exec "$@"'
    spec = v1.ModelContainerSpec(image_uri=vx.IMAGE, command=["/bin/sh", "-c", script, "sh", *vx.SERVING])
    to = named_endpoint(vertex)
    deployed = deploy(vertex, to, upload(vertex, container_spec=spec))
    slow.touch()
    resources = v1.DedicatedResources(min_replica_count=2, max_replica_count=2)
    wanted = v1.DeployedModel(id=deployed.id, dedicated_resources=resources)
    fields = ["dedicated_resources.min_replica_count", "dedicated_resources.max_replica_count"]
    pending = vertex.endpoints.mutate_deployed_model(endpoint=to, deployed_model=wanted, update_mask={"paths": fields})
    assert soon(lambda: len(vx.containers_of(to)) == 2, within_s=_SOON_S)
    vx.done(vertex.endpoints.undeploy_model(endpoint=to, deployed_model_id=deployed.id))
    vx.refused("CANCELLED", "was cancelled", lambda: vx.done(pending))
    assert soon(lambda: not vx.containers_of(to), within_s=_SOON_S)


def test_connections_to_a_replica_are_kept(vertex: Vertex) -> None:
    """Predictions one after the other come by the same connection, which its port tells."""
    to = served(vertex, CPU, 60)
    answers = [vertex.predictions.predict(endpoint=to, instances=[1]) for _ in range(10)]
    ports = {v1.PredictResponse.pb(answer).predictions[0].struct_value["port"] for answer in answers}
    assert len(ports) == 1
