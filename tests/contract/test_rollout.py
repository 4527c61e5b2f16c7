"""How a version comes to serve: registered once, tested beside the traffic, and nothing left over whatever happens."""

import dataclasses

import pytest

from plumbline.adapters import endpoints as on
from plumbline.adapters import registry
from plumbline.adapters.monitoring_jobs import watch
from plumbline.adapters.rollout import roll_out
from plumbline.candidate import Candidate
from plumbline.champion import Champion
from plumbline.deployment import scaling
from plumbline.errors import ModelError, ServiceError
from plumbline.load import LoadProfile
from plumbline.monitoring import Watch
from plumbline.problem import Serving
from tests.contract.conftest import LOCATION, PROJECT, Emulator
from tests.contract.shop import COMMAND, IMAGE, PROBE, Shop, open_shop
from tests.contract.vertex import containers_of

WATCH = Watch(
    training_table="p.d.t",
    label="late",
    schema_uri="gs://models/schema.yaml",
    skew={"x": 0.1},
    drift={"x": 0.2},
    sampling_rate=0.5,
    interval_hours=6,
    emails=("a@example.com",),
)


@pytest.fixture
def shop(emulator: Emulator) -> Shop:
    """A problem that no other test has."""
    return open_shop(emulator)


def test_a_first_version_serves(shop: Shop) -> None:
    """All traffic, the alias and the default are its own, and the machines are those that were asked for."""
    version = shop.register()
    deployed = roll_out(shop.clients, shop.serving, version, PROBE)
    assert shop.served() == {"1": 100}
    assert shop.aliases(version) == {"candidate", "champion", "default"}
    found = on.deployed(
        shop.clients.endpoints(),
        on.ensure(shop.clients.endpoints(), shop.clients.place, shop.serving.endpoint, problem=shop.name),
        version,
    )
    assert on.scaling_of(found) == scaling(shop.serving)
    assert deployed.difference == 0
    logging = shop.clients.endpoints().get_endpoint(name=shop.endpoint).predict_request_response_logging_config
    assert (logging.enabled, logging.sampling_rate) == (True, 1.0)
    assert (
        logging.bigquery_destination.output_uri
        == f"bq://{PROJECT}.d.{shop.serving.endpoint.replace('-', '_')}_requests"
    )
    assert shop.is_clean()


def test_everything_is_made_with_the_key_of_the_environment(shop: Shop) -> None:
    """Model, endpoint and monitoring job are encrypted by the customer's key."""
    key = f"projects/{PROJECT}/locations/{LOCATION}/keyRings/r/cryptoKeys/k"
    keyed = dataclasses.replace(
        shop,
        clients=dataclasses.replace(shop.clients, place=dataclasses.replace(shop.clients.place, encryption_key=key)),
    )
    clients, version = keyed.clients, keyed.register()
    deployed = roll_out(clients, keyed.serving, version, PROBE)
    watched = watch(clients.jobs(), clients.endpoints(), clients.place, deployed.endpoint, WATCH)
    made = (
        clients.models().get_model(name=version),
        clients.endpoints().get_endpoint(name=deployed.endpoint),
        clients.jobs().get_model_deployment_monitoring_job(name=watched),
    )
    assert [resource.encryption_spec.kms_key_name for resource in made] == [key] * 3


def test_a_second_version_takes_over(shop: Shop) -> None:
    """The traffic moves at once, the version before is undeployed, and only now the default moves."""
    first = shop.register()
    roll_out(shop.clients, shop.serving, first, PROBE)
    second = shop.register(content="d")
    assert shop.aliases(second) == {"candidate"}
    assert shop.aliases(first) == {"champion", "default"}
    roll_out(shop.clients, shop.serving, second, PROBE)
    assert shop.served() == {"2": 100}
    assert shop.aliases(first) == set()
    assert shop.is_clean()


@pytest.mark.parametrize(
    ("score", "error", "wanted"),
    [("0.6", ModelError, "scores 0.600000 online and 0.500000 offline"), ("", ServiceError, "no score to serve")],
)
def test_a_bad_version_changes_nothing(shop: Shop, score: str, error: type[Exception], wanted: str) -> None:
    """Wrong scores, or a container that ends: the traffic stays, and nothing is left behind."""
    first = shop.register()
    roll_out(shop.clients, shop.serving, first, PROBE)
    bad = shop.register(score, content="bad")
    with pytest.raises(error, match=wanted):
        roll_out(shop.clients, shop.serving, bad, PROBE)
    assert shop.served() == {"1": 100}
    assert shop.aliases(first) == {"champion", "default"}
    assert shop.is_clean()
    assert len(containers_of(shop.endpoint)) == 1


def test_a_bad_first_version_leaves_an_empty_endpoint(shop: Shop) -> None:
    """There was nothing before, and there is nothing after."""
    with pytest.raises(ModelError):
        roll_out(shop.clients, shop.serving, shop.register("0.9"), PROBE)
    assert shop.served() == {}
    assert shop.is_clean()
    assert not containers_of(shop.endpoint)


def test_the_same_version_is_not_deployed_again(shop: Shop) -> None:
    """The same content is the same version, and a version that serves only has its smoke test repeated."""
    version = shop.register()
    once = roll_out(shop.clients, shop.serving, version, PROBE)
    assert shop.register() == version
    again = roll_out(shop.clients, shop.serving, version, PROBE)
    assert again.deployed_model_id == once.deployed_model_id


def test_other_replicas_are_set_in_place(shop: Shop) -> None:
    """Another maximum needs no new deployment."""
    version = shop.register()
    once = roll_out(shop.clients, shop.serving, version, PROBE)
    more = dataclasses.replace(shop.serving, maximum_replicas=5)
    again = roll_out(shop.clients, more, version, PROBE)
    assert again.deployed_model_id == once.deployed_model_id
    (model,) = shop.clients.endpoints().get_endpoint(name=shop.endpoint).deployed_models
    assert on.scaling_of(model).maximum == 5


def test_other_machines_are_another_deployment(shop: Shop) -> None:
    """A machine of another type takes over as another version would."""
    version = shop.register()
    once = roll_out(shop.clients, shop.serving, version, PROBE)
    larger = dataclasses.replace(shop.serving, machine_type="n1-standard-4")
    again = roll_out(shop.clients, larger, version, PROBE)
    assert again.deployed_model_id != once.deployed_model_id
    assert shop.served() == {"1": 100}
    assert shop.is_clean()


def bearing(shop: Shop, load: LoadProfile) -> Serving:
    """The shop's endpoint with a load."""
    return dataclasses.replace(shop.serving, load=load)


EASY = LoadProfile(usual_rate=0.01, peak_rate=0.02)
"""Any replica that answers at all bears it."""
HARD = LoadProfile(usual_rate=0.01, peak_rate=1e7)
"""No three replicas do."""


def test_what_a_replica_holds_is_measured_before_the_traffic_moves(shop: Shop) -> None:
    """Where the config does not say it; a number with its spread."""
    deployed = roll_out(shop.clients, bearing(shop, EASY), shop.register(), PROBE)
    assert deployed.replica_rate is not None
    assert 0 <= deployed.replica_rate.low <= deployed.replica_rate.rate <= deployed.replica_rate.high
    assert deployed.replica_rate.rate > 0
    assert shop.served() == {"1": 100}
    assert shop.is_clean()


def test_a_rate_that_is_stated_is_not_measured(shop: Shop) -> None:
    """Nor where nothing is asked for."""
    stated = dataclasses.replace(EASY, replica_rate=40.0)
    assert roll_out(shop.clients, bearing(shop, stated), shop.register(), PROBE).replica_rate is None
    assert roll_out(shop.clients, shop.serving, shop.register(), PROBE).replica_rate is None


def test_a_load_that_the_endpoint_may_not_grow_to_changes_nothing(shop: Shop) -> None:
    """The traffic stays with the version before, and nothing is left behind."""
    first = shop.register()
    roll_out(shop.clients, shop.serving, first, PROBE)
    second = shop.register(content="d")
    with pytest.raises(ServiceError, match=r"the peak of 1e\+07 requests/s needs .*, maximum_replicas is 3: raise it"):
        roll_out(shop.clients, bearing(shop, HARD), second, PROBE)
    assert shop.served() == {"1": 100}
    assert shop.aliases(first) == {"champion", "default"}
    assert shop.is_clean()
    assert len(containers_of(shop.endpoint)) == 1


def test_a_new_load_is_checked_for_a_version_that_serves_already(shop: Shop) -> None:
    """On the staging endpoint: the one that serves is not asked, nor deployed again, nor given other replicas."""
    version = shop.register()
    once = roll_out(shop.clients, shop.serving, version, PROBE)
    more = dataclasses.replace(shop.serving, maximum_replicas=5)
    with pytest.raises(ServiceError, match="maximum_replicas is 5"):
        roll_out(shop.clients, dataclasses.replace(more, load=HARD), version, PROBE)
    (model,) = shop.clients.endpoints().get_endpoint(name=shop.endpoint).deployed_models
    assert on.scaling_of(model).maximum == 3
    again = roll_out(shop.clients, dataclasses.replace(more, load=EASY), version, PROBE)
    assert again.deployed_model_id == once.deployed_model_id
    assert again.replica_rate is not None
    assert shop.served() == {"1": 100}
    assert shop.is_clean()


def test_what_an_interrupted_run_left_is_cleared(shop: Shop) -> None:
    """A model without traffic and a staging endpoint that is up cost money; the next run takes them away."""
    first = shop.register()
    roll_out(shop.clients, shop.serving, first, PROBE)
    endpoints, second = shop.clients.endpoints(), shop.register(content="d")
    for endpoint_id in (shop.serving.endpoint, f"{shop.serving.endpoint}-staging"):
        left = on.ensure(endpoints, shop.clients.place, endpoint_id, problem=shop.name)
        on.settle(endpoints, on.start(endpoints, left, second, scaling(shop.serving)), timeout_s=30)
    roll_out(shop.clients, shop.serving, second, PROBE)
    assert shop.served() == {"2": 100}
    assert shop.is_clean()
    assert len(containers_of(shop.endpoint)) == 1


def test_the_opponent_of_a_candidate(shop: Shop) -> None:
    """Nobody at first, then the champion; for the champion's own lineage, whom it was judged against."""

    def opponent(lineage: str) -> Champion:
        return registry.opponent(shop.clients.models(), shop.clients.place, shop.name, lineage)

    assert opponent("a") == Champion()
    first = shop.register(lineage="a")
    assert opponent("a") == Champion(), "a candidate that has not shipped is nobody's opponent"
    registry.promote(shop.clients.models(), first)
    assert opponent("b") == Champion(version=first, artifact_uri=f"gs://models/{shop.name}/c")
    assert opponent("a") == Champion()
    second = shop.register(content="d", lineage="b", opponent="1")
    registry.promote(shop.clients.models(), second)
    assert opponent("c").version == second
    assert opponent("b").version == first


def test_the_opponent_decides_at_the_threshold_that_it_serves_with(shop: Shop) -> None:
    """It stands in the version's container; a version of before has none."""

    def threshold(environment: dict[str, str], number: int) -> float | None:
        (shop.objects / "models" / shop.name / f"{number}").mkdir(parents=True)
        made = Candidate(f"gs://models/{shop.name}/{number}", f"{number}", IMAGE, COMMAND, environment, {})
        clients = shop.clients
        version = registry.register(clients.models(), clients.place, shop.name, made, card="gs://c")
        registry.promote(clients.models(), version.name)
        return registry.opponent(clients.models(), clients.place, shop.name, "another").threshold

    assert threshold({"SCORE": "0.5"}, 1) is None
    assert threshold({"SCORE": "0.5", registry.THRESHOLD: "0.152315"}, 2) == 0.152315


def test_one_monitoring_job_follows_the_endpoint(shop: Shop) -> None:
    """It is made once, and brought up to date for the model that serves."""
    clients = shop.clients
    jobs = clients.jobs()
    names = set()
    for content, interval in (("c", 6), ("d", 12)):
        deployed = roll_out(clients, shop.serving, shop.register(content=content), PROBE)
        asked = dataclasses.replace(WATCH, interval_hours=interval)
        names.add(watch(jobs, clients.endpoints(), clients.place, deployed.endpoint, asked))
        job = jobs.get_model_deployment_monitoring_job(name=next(iter(names)))
        (config,) = job.model_deployment_monitoring_objective_configs
        assert config.deployed_model_id == deployed.deployed_model_id
        assert job.model_deployment_monitoring_schedule_config.monitor_interval.total_seconds() == interval * 3600
    assert len(names) == 1
    assert config.objective_config.training_prediction_skew_detection_config.skew_thresholds["x"].value == 0.1
    assert job.logging_sampling_strategy.random_sample_config.sample_rate == 0.5
    assert list(job.model_monitoring_alert_config.email_alert_config.user_emails) == ["a@example.com"]
