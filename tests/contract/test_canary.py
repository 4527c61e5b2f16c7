"""A version takes the traffic in stages and is taken back when it is worse; the shadow, and `make rollback`."""

import dataclasses
import threading
from collections.abc import Mapping

import numpy as np
import pytest
from google.cloud import aiplatform_v1 as v1

from plumbline.adapters import endpoints as on
from plumbline.adapters.monitoring_jobs import watch
from plumbline.adapters.probes import keep
from plumbline.adapters.registry import artifact_uri
from plumbline.adapters.rollback import roll_back
from plumbline.adapters.rollout import roll_out
from plumbline.adapters.shadow import shadow
from plumbline.canary import Canary
from plumbline.deployment import scaling
from plumbline.errors import ModelError, ServiceError
from plumbline.monitoring import Watch
from plumbline.probe import Probe
from tests.contract.conftest import Emulator
from tests.contract.shop import PROBE, Shop, open_shop
from tests.contract.vertex import containers_of
from tests.waiting import soon

QUICK = Canary(stages=(20, 100), answers=5)
OTHERS = Probe(PROBE.instances, np.array([0.9, 0.9]), PROBE.tolerance)
"""Of a version that gives 0.9."""
WATCH = Watch("p.d.t", "late", "gs://models/schema.yaml", {"x": 0.1}, {"x": 0.2}, 0.5, 6, ("a@example.com",))


@pytest.fixture
def shop(emulator: Emulator) -> Shop:
    """A problem that no other test has, with quick stages."""
    opened = open_shop(emulator)
    return dataclasses.replace(opened, serving=dataclasses.replace(opened.serving, canary=QUICK))


def shipped(shop: Shop, score: str = "0.5", *, content: str = "c", opponent: str = "none") -> str:
    """A version that serves, its probe kept beside it."""
    version = shop.register(score, content=content, opponent=opponent)
    probe = dataclasses.replace(PROBE, scores=np.full(2, float(score)))
    keep(shop.clients.storage(), artifact_uri(shop.clients.models(), version), probe)
    calm = dataclasses.replace(shop.serving, canary=dataclasses.replace(QUICK, maximum_shift=1.0))
    roll_out(shop.clients, calm, version, probe)
    return version


def shared(shop: Shop, version: str, share: int) -> None:
    """Leaves a version with a share of the traffic, as a run does that is killed within a stage."""
    endpoints = shop.clients.endpoints()
    endpoint = endpoints.get_endpoint(name=shop.endpoint)
    (before,) = endpoint.traffic_split
    deployment = on.start(endpoints, endpoint, version, scaling(shop.serving))
    on.settle(endpoints, deployment, timeout_s=30)
    on.share_traffic(endpoints, endpoint, {deployment.deployed_id: share, before: 100 - share})


def test_the_traffic_moves_in_stages_and_no_caller_sees_an_error(shop: Shop) -> None:
    """Both versions answer while it is shared, in the stage's proportion; then the new one alone."""
    shipped(shop)
    second = shop.register(content="d")
    answered, stopped = list[str](), threading.Event()

    def call() -> None:
        predictions = shop.clients.predictions()
        while not stopped.is_set():
            answered.append(on.ask(predictions, shop.endpoint, {"x": 1}, timeout_s=10)[0])

    caller = threading.Thread(target=call)
    caller.start()
    try:
        deployed = roll_out(shop.clients, shop.serving, second, PROBE)
        assert soon(lambda: answered[-3:] == [deployed.deployed_model_id] * 3, within_s=20)
    finally:
        stopped.set()
        caller.join()
    assert [stage.share for stage in deployed.stages] == [20, 100]
    assert all(stage.answers >= QUICK.answers and stage.error_rate == 0 for stage in deployed.stages)
    assert all(stage.champion_latency_ms > 0 and stage.shift == 0 for stage in deployed.stages)
    assert len(set(answered)) == 2
    assert shop.served() == {"2": 100}
    assert shop.is_clean()


@pytest.mark.parametrize(
    ("score", "spoilt", "wanted"),
    [
        ("0.5", {"AFTER": "1", "THEN": "500"}, r"taken back at 20 % .* of the requests failed, the first with: "),
        ("0.5", {"AFTER": "1", "THEN": "0.6"}, r"taken back at 20 % .*: row \d scores 0.600000 online and 0.500000"),
        ("0.5", {"DELAY_S": "0.2"}, r"taken back at 20 % .*: it takes 2\d\d ms in the median, the version before"),
        ("0.9", {}, r"taken back at 20 % .*: its scores are 1.00 from those of the version before, at most 0.9"),
    ],
    ids=["errors", "wrong", "slow", "shifted"],
)
def test_a_worse_version_is_taken_back(shop: Shop, score: str, spoilt: Mapping[str, str], wanted: str) -> None:
    """One that was good on the staging endpoint and is not in the traffic: the version before has all of it again."""
    first = shipped(shop)
    worse = shop.register(score, content="d", **spoilt)
    with pytest.raises(ServiceError, match=wanted):
        roll_out(shop.clients, shop.serving, worse, OTHERS if score == "0.9" else PROBE)
    assert shop.served() == {"1": 100}
    assert shop.aliases(first) == {"champion", "default"}
    assert shop.is_clean()
    assert len(containers_of(shop.endpoint)) == 1


def test_a_version_that_fails_later_is_taken_back_later(shop: Shop) -> None:
    """With all of the traffic it fails: the version before is still there to take it."""
    shipped(shop)
    worse = shop.register(content="d", AFTER="30", THEN="503")
    patient = dataclasses.replace(shop.serving, canary=Canary(stages=(10, 100), answers=20))
    with pytest.raises(ServiceError, match="taken back at 100 %"):
        roll_out(shop.clients, patient, worse, PROBE)
    assert shop.served() == {"1": 100}


def test_what_a_killed_run_left_shared_is_the_champions(shop: Shop) -> None:
    """The next run gives the traffic back first, and compares with the champion."""
    shipped(shop)
    shared(shop, shop.register("0.9", content="d"), 80)
    third = shop.register(content="e")
    deployed = roll_out(shop.clients, shop.serving, third, PROBE)
    assert all(stage.shift == 0 for stage in deployed.stages), "compared with the version that was killed"
    assert shop.served() == {"3": 100}
    assert len(containers_of(shop.endpoint)) == 1


def test_a_rollback_puts_the_version_before_back(shop: Shop) -> None:
    """Also where its scores are quite other ones; aliases and monitoring follow, and what was rolled back is gone."""
    clients = shop.clients
    first, second = shipped(shop), shipped(shop, "0.9", content="d", opponent="1")
    job = watch(clients.jobs(), clients.endpoints(), clients.place, shop.endpoint, WATCH)
    version, deployed = roll_back(clients, shop.serving, shop.name)
    assert version == first
    assert deployed is not None
    assert deployed.difference == 0
    assert shop.served() == {"1": 100}
    assert shop.aliases(first) == {"champion", "default"}
    assert shop.aliases(second) == {"candidate"}
    (watched,) = (
        clients.jobs().get_model_deployment_monitoring_job(name=job).model_deployment_monitoring_objective_configs
    )
    assert watched.deployed_model_id == deployed.deployed_model_id
    assert watched.objective_config.prediction_drift_detection_config.drift_thresholds["x"].value == 0.2
    assert len(containers_of(shop.endpoint)) == 1
    with pytest.raises(ServiceError, match="there is no version before it"):
        roll_back(clients, shop.serving, shop.name)
    assert shop.served() == {"1": 100}


def test_a_rollback_takes_a_version_back_that_is_on_its_way(shop: Shop) -> None:
    """What was killed within a stage goes, and nothing is deployed for it."""
    first = shipped(shop)
    shared(shop, shop.register(content="d"), 50)
    assert roll_back(shop.clients, shop.serving, shop.name) == (first, None)
    assert shop.served() == {"1": 100}
    assert len(containers_of(shop.endpoint)) == 1


def test_a_rollback_that_cannot_be_changes_nothing(shop: Shop) -> None:
    """Nothing serves yet; or the version before has no probe, or answers it wrongly."""
    with pytest.raises(ServiceError, match="nothing of .* serves"):
        roll_back(shop.clients, shop.serving, shop.name)
    unknown = shop.register()
    roll_out(shop.clients, shop.serving, unknown, PROBE)
    shipped(shop, content="d", opponent="1")
    with pytest.raises(ModelError, match="there is no probe for gs://models/"):
        roll_back(shop.clients, shop.serving, shop.name)
    keep(shop.clients.storage(), artifact_uri(shop.clients.models(), unknown), OTHERS)
    with pytest.raises(ModelError, match="scores 0.500000 online and 0.900000 offline"):
        roll_back(shop.clients, shop.serving, shop.name)
    assert shop.served() == {"2": 100}
    assert shop.is_clean()
    assert len(containers_of(shop.endpoint)) == 1


def test_the_shadow_asks_what_callers_asked(shop: Shop, emulator: Emulator) -> None:
    """Out of the request log; a candidate that refuses it, or scores it quite differently, gets no traffic."""
    emulator.bigquery().create_dataset(shop.clients.place.dataset, exists_ok=True)
    shadowed = dataclasses.replace(shop.serving, canary=dataclasses.replace(QUICK, shadow=25))
    first = shipped(shop)
    assert shadow(shop.clients, shadowed, found(shop), "nowhere") in {0, 2}, "only the smoke test has asked so far"
    on.predict(shop.clients.predictions(), shop.endpoint, [{"x": number} for number in range(30)])
    assert soon(lambda: shadow(shop.clients, shadowed, found(shop), shop.endpoint) == 25, within_s=20)
    with pytest.raises(ServiceError, match=r"on 25 logged requests the candidate's scores are 1.00 from those given"):
        roll_out(shop.clients, shadowed, shop.register("0.9", content="d"), OTHERS)
    refusing = shop.register(content="e", AFTER="1", THEN="400")
    with pytest.raises(ServiceError, match="the candidate refuses requests that callers have made"):
        roll_out(shop.clients, shadowed, refusing, PROBE)
    assert shop.served() == {"1": 100}
    assert shop.aliases(first) == {"champion", "default"}
    assert shop.is_clean()
    roll_out(shop.clients, shadowed, shop.register(content="f"), PROBE)
    assert shop.served() == {"4": 100}


def found(shop: Shop) -> v1.Endpoint:
    """The shop's endpoint as it is now."""
    return shop.clients.endpoints().get_endpoint(name=shop.endpoint)


def test_an_endpoint_keeps_its_type(shop: Shop) -> None:
    """The config may not ask for another than the one that is there."""
    version = shop.register()
    roll_out(shop.clients, shop.serving, version, PROBE)
    assert found(shop).dedicated_endpoint_enabled
    assert found(shop).client_connection_config.inference_timeout.total_seconds() == 60
    other = dataclasses.replace(shop.serving, endpoint_type="shared")
    with pytest.raises(ServiceError, match="is dedicated, and an endpoint cannot change: write serving.endpoint_type"):
        roll_out(shop.clients, other, version, PROBE)
