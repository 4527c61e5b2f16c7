"""What doctor finds without a network: each check fires on what Google Cloud would refuse, and on nothing else."""

import functools
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from plumbline import preflight
from plumbline.config import load_environment, load_problem
from plumbline.environment import Environment, Images, Schedule
from plumbline.finding import Finding
from plumbline.hardware import Hardware
from plumbline.load import LoadProfile
from plumbline.machines import serving_quota
from plumbline.problem import ProblemConfig
from plumbline.project import Identity

CONFIGS = Path(__file__).parents[3] / "configs"
KEY = "projects/p/locations/{}/keyRings/ring/cryptoKeys/key"
USER = Identity("user", quota_project="my-project")


@functools.cache
def config() -> ProblemConfig:
    """The example problem."""
    return load_problem(CONFIGS / "flights.yaml").config


@functools.cache
def environment() -> Environment:
    """The example's environment, in us-central1."""
    return load_environment(CONFIGS / "env" / "dev.yaml", project="my-project")


def said(findings: Iterable[Finding]) -> Mapping[str, str]:
    """What is to be mended, by severity and message."""
    return {f"{finding.severity}: {finding.message}": finding.mend for finding in findings if finding.severity != "ok"}


def test_the_shipped_configs_have_nothing_to_mend() -> None:
    """Each check says one line of what it looked at."""
    findings = preflight.preflight(config(), environment(), USER)
    assert {finding.severity for finding in findings} == {"ok"}
    assert len(findings) == len({finding.check for finding in findings}) == 10


def test_every_check_is_made_even_when_others_fail() -> None:
    """All findings come at once."""
    bad = replace(environment(), network="projects/p/global/networks/n", encryption_key=KEY.format("europe-west4"))
    checks = [f.check for f in preflight.preflight(config(), bad, Identity("none")) if f.severity == "error"]
    assert checks == ["credentials", "network", "encryption"]


@pytest.mark.parametrize(
    ("identity", "severity", "mend"),
    [
        (Identity("none"), "error", "gcloud auth application-default login"),
        (Identity("unknown"), "error", "gcloud auth application-default login"),
        (Identity("user"), "warning", "gcloud auth application-default set-quota-project p"),
        (
            Identity("key file", "a@b"),
            "warning",
            "gcloud auth application-default login --impersonate-service-account=a@b",
        ),
    ],
)
def test_credentials_that_are_missing_or_unsafe_are_found(identity: Identity, severity: str, mend: str) -> None:
    """The kind says which command mends it."""
    (finding,) = preflight.check_credentials(identity, "p")
    assert (finding.severity, finding.mend) == (severity, mend)


@pytest.mark.parametrize(
    "identity", [USER, Identity("impersonation", "a@b"), Identity("metadata server"), Identity("emulator")]
)
def test_credentials_that_are_safe_pass(identity: Identity) -> None:
    """A user with a quota project, impersonation, a metadata server, an emulator."""
    assert not list(preflight.check_credentials(identity, "p"))


def test_an_endpoint_id_must_leave_room_for_staging() -> None:
    """63 characters are allowed, of which `-staging` takes 8."""
    assert not list(preflight.check_names("flights", "e" * 55))
    (finding,) = preflight.check_names("flights", "e" * 56)
    assert "staging endpoint" in finding.message
    assert "(64 characters)" in finding.message


def test_a_run_id_must_be_shorter_than_128_characters() -> None:
    """A name of 107 letters and the suffix of 20 make 127; the model's id is at its end after 63."""
    assert [f.message.split()[4] for f in preflight.check_names("n" * 63, "e")] == []
    assert [f.message.split()[4] for f in preflight.check_names("n" * 64, "e")] == ["model"]
    assert [f.message.split()[4] for f in preflight.check_names("n" * 107, "e")] == ["model"]
    assert [f.message.split()[4] for f in preflight.check_names("n" * 108, "e")] == ["run", "model"]


@pytest.mark.parametrize("labels", [{"Team": "a"}, {"1st": "a"}, {"team": "A b"}, {"team": "v" * 64}, {"k" * 64: "v"}])
def test_labels_with_other_characters_or_too_long_are_found(labels: Mapping[str, str]) -> None:
    """Lower case letters, digits, - and _ only, at most 63."""
    (finding,) = preflight.check_labels(labels)
    assert finding.severity == "error"


def test_labels_leave_room_for_our_own() -> None:
    """52 of the environment and a dozen of ours are the 64 that a resource may have."""
    assert not list(preflight.check_labels({f"key{n}": "v" * 63 for n in range(52)}))
    (finding,) = preflight.check_labels({f"key{n}": "" for n in range(53)})
    assert finding.message.startswith("53 labels")


@pytest.mark.parametrize(
    ("cron", "zone", "message"),
    [
        ("61 * * * *", "UTC", "Bad minute"),
        ("0 6 * *", "UTC", "wanted five fields, got 4"),
        ("0 0 6 * * 1", "UTC", "wanted five fields, got 6"),
        ("0 6 30 2 *", "UTC", "Bad day-of-month"),
        ("0 6 * * 1", "Europe/Atlantis", "there is no time zone 'Europe/Atlantis'"),
        ("0 6 * * 1", "../etc/passwd", "there is no time zone '../etc/passwd'"),
    ],
)
def test_a_schedule_that_never_comes_is_found(cron: str, zone: str, message: str) -> None:
    """A field out of range, a count other than five, a day that is none, a zone that is none."""
    (finding,) = preflight.check_schedule(Schedule(cron=cron, time_zone=zone))
    assert message in finding.message


def test_a_schedule_that_comes_passes() -> None:
    """Mondays at six, in Berlin; and no schedule at all."""
    assert not list(preflight.check_schedule(Schedule(cron="0 6 * * 1", time_zone="Europe/Berlin")))
    assert not list(preflight.check_schedule(None))


def test_an_account_must_be_of_the_project() -> None:
    """One of another project is an error, none at all a warning."""
    assert not list(preflight.check_account("a@p.iam.gserviceaccount.com", "p"))
    (other,) = preflight.check_account("abc@q.iam.gserviceaccount.com", "p")
    assert (other.severity, other.mend) == ("error", "gcloud iam service-accounts create abc --project=p")
    (none,) = preflight.check_account("", "p")
    assert none.severity == "warning"


def test_a_network_is_named_by_the_number_of_its_project() -> None:
    """Vertex AI takes no project id there."""
    assert not list(preflight.check_network("projects/123/global/networks/n"))
    assert not list(preflight.check_network(""))
    (finding,) = preflight.check_network("projects/my-project/global/networks/n")
    assert finding.mend == "gcloud projects describe my-project --format='value(projectNumber)'"


def test_a_key_lies_in_the_region_of_vertex_ai() -> None:
    """A global key, or one elsewhere, is refused."""
    assert not list(preflight.check_key(KEY.format("us-central1"), "us-central1"))
    assert not list(preflight.check_key("", "us-central1"))
    (finding,) = preflight.check_key(KEY.format("global"), "us-central1")
    assert finding.mend == (
        "gcloud kms keys create key --purpose=encryption --keyring=ring --location=us-central1 --project=p"
    )


@pytest.mark.parametrize(("place", "words"), [("us", "is multi-regional"), ("europe-west4", "lies in europe-west4")])
def test_images_lie_in_the_region_of_vertex_ai(place: str, words: str) -> None:
    """Another region and a multi-region are refused, with the command that makes a repository."""
    name = f"{place}-docker.pkg.dev/my-project/plumbline/serving"
    found = said(preflight.check_repositories(_with_serving(name), emulated=False))
    assert list(found.values()) == [
        "gcloud artifacts repositories create plumbline --repository-format=docker "
        "--location=us-central1 --project=my-project"
    ]
    assert words in next(iter(found))


def test_an_image_outside_of_artifact_registry_is_found_but_on_an_emulator() -> None:
    """On this machine an image is the checkout, whatever it is called."""
    env = _with_serving("plumbline/serving")
    (finding,) = preflight.check_repositories(env, emulated=False)
    assert finding.mend.startswith("write us-central1-docker.pkg.dev/my-project/plumbline/serving ")
    assert not list(preflight.check_repositories(env, emulated=True))


def test_compiled_pipelines_lie_in_the_region_of_vertex_ai() -> None:
    """Their repository is of another format."""
    env = replace(environment(), pipelines="https://asia-east1-kfp.pkg.dev/my-project/compiled")
    (finding,) = preflight.check_repositories(env, emulated=False)
    assert "create compiled --repository-format=kfp" in finding.mend


def test_machines_that_are_not_legal_are_found() -> None:
    """For the training job and for the endpoint, each with what to write instead."""
    found = config()
    training = replace(found.training, hardware=Hardware(machine_type="n1-standard-2"))
    serving = replace(found.serving, accelerator_type="NVIDIA_TESLA_T5", accelerator_count=1)
    bad = replace(found, training=training, serving=serving)
    training_finding, serving_finding = preflight.check_machines(bad, environment())
    assert (training_finding.severity, training_finding.mend) == ("error", "machine_type: n1-standard-4")
    assert serving_finding.message.startswith("serving: there is no accelerator NVIDIA_TESLA_T5")


def test_replicas_that_do_not_bear_the_load_are_found() -> None:
    """By the stated rate: 400 x 1.2 / (40 x 0.6) = 20 replicas, and three are allowed."""
    load = LoadProfile(usual_rate=5, peak_rate=400, replica_rate=40)
    (finding,) = preflight.check_load(replace(config().serving, load=load))
    assert (finding.severity, finding.check) == ("error", "load")
    assert "needs 20 replicas" in finding.message
    assert not list(preflight.check_load(replace(config().serving, load=load, maximum_replicas=20)))


def test_a_load_that_nobody_has_stated_is_a_note() -> None:
    """Nothing fails, and nothing is checked."""
    (finding,) = preflight.check_load(replace(config().serving, load=None))
    assert finding.severity == "note"


def test_a_rate_that_is_not_known_yet_is_told_by_what_it_must_be() -> None:
    """20 x 1.2 / (3 x 0.6) = 13.3 at the peak, above 5 x 1.2 / 0.6 = 10 of the one that is always there."""
    serving = replace(config().serving, load=LoadProfile(usual_rate=5, peak_rate=20))
    assert not list(preflight.check_load(serving))
    assert preflight.described_load(serving) == (
        "5 requests/s, 20 at the peak: a replica must hold 13.3 requests/s, which is measured before the traffic moves"
    )


def test_the_quota_is_charged_with_the_most_replicas() -> None:
    """Twenty of two CPUs each."""
    assert serving_quota(replace(config().serving, maximum_replicas=20)) == {"custom_model_serving_cpus": 40}


def _with_serving(name: str) -> Environment:
    found = environment()
    return replace(found, images=Images(components=found.images.components, trainer=found.images.trainer, serving=name))
