"""What `make doctor` finds without a network: names, forms and combinations that Google Cloud would refuse."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from zoneinfo import ZoneInfo

from plumbline import machines
from plumbline.cron import wrong_cron
from plumbline.deployment import STAGING, capacity
from plumbline.environment import Environment, Schedule
from plumbline.finding import Finding, Severity, ok
from plumbline.load import needed_rate, shortage
from plumbline.problem import ProblemConfig, Serving
from plumbline.project import Identity, Repository, image, pipelines

_SIGN_IN = "gcloud auth application-default login"
_JOB_ID = re.compile(r"[a-z][-a-z0-9]{0,126}")
_JOB_SUFFIX = "-20260101000000-0000"
"""Time and chance, which make the id of each run its own."""
_ENDPOINT = re.compile(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?")
_MODEL = re.compile(r"[a-z_][a-z0-9_-]{0,62}")
_LABEL_KEY, _LABEL_VALUE = re.compile(r"[a-z][a-z0-9_-]{0,62}"), re.compile(r"[a-z0-9_-]{0,63}")
_MOST_LABELS = 64 - 12
"""64 a resource, of which a model's version has up to a dozen from us."""
_MULTI_REGIONS = ("us", "europe", "asia")


def preflight(config: ProblemConfig, environment: Environment, identity: Identity) -> tuple[Finding, ...]:
    """Everything that can be said without asking Google."""
    env, hardware, serving = environment, config.training.hardware, config.serving
    checks: Sequence[tuple[str, str, Iterable[Finding]]] = (
        ("credentials", described(identity), check_credentials(identity, env.project)),
        ("names", f"{config.name}, {serving.endpoint}", check_names(config.name, serving.endpoint)),
        ("labels", ", ".join(f"{key}={value}" for key, value in env.labels.items()), check_labels(env.labels)),
        ("schedule", env.schedule.cron if env.schedule else "none", check_schedule(env.schedule)),
        ("service account", env.service_account, check_account(env.service_account, env.project)),
        ("network", env.network or "none of your own", check_network(env.network)),
        ("encryption", env.encryption_key or "by keys of Google", check_key(env.encryption_key, env.location)),
        ("repositories", env.location, check_repositories(env, emulated=identity.kind == "emulator")),
        ("machines", f"train on {hardware.machine_type}, serve on {serving.machine_type}", check_machines(config, env)),
        ("load", described_load(serving), check_load(serving)),
    )
    return tuple(finding for check, fine, found in checks for finding in (tuple(found) or (ok(check, fine),)))


def described(identity: Identity) -> str:
    """Who asks, in words."""
    match identity.kind:
        case "emulator":
            return "none needed: this environment is an emulator"
        case "user":
            return "yours, from gcloud auth application-default login"
        case kind:
            return f"{kind}: {identity.email}" if identity.email else kind


def check_credentials(identity: Identity, project: str) -> Iterator[Finding]:
    """Whether there are application default credentials, and such as are safe to use."""
    match identity.kind:
        case "none":
            yield Finding("error", "credentials", "there are no application default credentials", _SIGN_IN)
        case "unknown":
            message = "the file of application default credentials cannot be read, or is of an unknown kind"
            yield Finding("error", "credentials", message, _SIGN_IN)
        case "key file":
            message = f"the key file of {identity.email} is good for ever, for whoever has it: impersonate the account"
            mend = f"{_SIGN_IN} --impersonate-service-account={identity.email}"
            yield Finding("warning", "credentials", message, mend)
        case "user" if not identity.quota_project:
            message = "your credentials name no project to count requests in, which some of Google's APIs insist on"
            mend = f"gcloud auth application-default set-quota-project {project}"
            yield Finding("warning", "credentials", message, mend)


def check_names(name: str, endpoint: str) -> Iterator[Finding]:
    """Whether Vertex AI takes the ids that are made from the problem's name and the endpoint's.

    Source: google.cloud.aiplatform constants (job ids), CreateEndpointRequest, UploadModelRequest.
    """
    ids: Sequence[tuple[str, str, re.Pattern[str], str]] = (
        ("run", f"{name.replace('_', '-')}{_JOB_SUFFIX}", _JOB_ID, "name"),
        ("model", name, _MODEL, "name"),
        ("endpoint", endpoint, _ENDPOINT, "serving.endpoint"),
        ("staging endpoint", f"{endpoint}{STAGING}", _ENDPOINT, "serving.endpoint"),
    )
    for what, made, allowed, key in ids:
        if not allowed.fullmatch(made):
            message = f"the id of the {what} would be {made} ({len(made)} characters), wanted {allowed.pattern}"
            yield Finding("error", "names", message, f"write a shorter or plainer {key} in the problem's config")


def check_labels(labels: Mapping[str, str]) -> Iterator[Finding]:
    """Whether Google Cloud takes the labels. Source: "Requirements for labels"."""
    mend = "correct labels in the environment's config"
    for key, value in labels.items():
        if not (_LABEL_KEY.fullmatch(key) and _LABEL_VALUE.fullmatch(value)):
            message = (
                f"{key}={value}: lower case letters, digits, - and _ only, at most 63, the key begins with a letter"
            )
            yield Finding("error", "labels", message, mend)
    if len(labels) > _MOST_LABELS:
        message = f"{len(labels)} labels: with our own a resource would have more than 64"
        yield Finding("error", "labels", message, mend)


def check_schedule(schedule: Schedule | None) -> Iterator[Finding]:
    """Whether the cron expression has five fields that can come true, and the time zone is one."""
    if schedule is None:
        return
    mend = "correct schedule in the environment's config"
    if told := wrong_cron(schedule.cron):
        yield Finding("error", "schedule", f"cron {schedule.cron!r}: {told}", mend)
    try:
        ZoneInfo(schedule.time_zone)
    except (KeyError, ValueError, OSError):
        yield Finding("error", "schedule", f"there is no time zone {schedule.time_zone!r}", mend)


def check_account(email: str, project: str) -> Iterator[Finding]:
    """Whether the pipeline has an account of its own, in the project."""
    if not email:
        message = "none is named: steps run as the project's Compute Engine default, which usually may edit everything"
        mend = f"gcloud iam service-accounts create plumbline-pipeline --project={project}"
        yield Finding(
            "warning", "service account", f"{message}; make one and name it in the environment's config", mend
        )
    elif email.partition("@")[2] != f"{project}.iam.gserviceaccount.com":
        message = f"{email} is of another project than {project}: by default no job may run as it"
        mend = f"gcloud iam service-accounts create {email.partition('@')[0]} --project={project}"
        yield Finding("error", "service account", message, mend)


def check_network(network: str) -> Iterator[Finding]:
    """Whether a VPC network is named as Vertex AI wants it, by the project's number. Source: PipelineJob.network."""
    project = network.split("/")[1] if network else "0"
    if not project.isdigit():
        message = f"{network}: Vertex AI wants the project's number in place of {project}"
        mend = f"gcloud projects describe {project} --format='value(projectNumber)'"
        yield Finding("error", "network", message, mend)


def check_key(key: str, location: str) -> Iterator[Finding]:
    """Whether the encryption key lies in the region of Vertex AI. Source: EncryptionSpec.kms_key_name."""
    if key and (found := key.split("/")[3]) != location:
        message = f"{key} lies in {found}, wanted {location}; make one there and name it in the environment's config"
        _, project, _, _, _, ring, _, name = key.split("/")
        place = f"--keyring={ring} --location={location} --project={project}"
        mend = f"gcloud kms keys create {name} --purpose=encryption {place}"
        yield Finding("error", "encryption", message, mend)


def check_repositories(environment: Environment, *, emulated: bool) -> Iterator[Finding]:
    """Whether images and compiled pipelines lie in the region of Vertex AI, from where alone a model is served.

    Source: Vertex AI, "Custom container requirements": no multi-regional repository.
    """
    named = environment.images
    for name in dict.fromkeys((named.components, named.trainer, named.serving)):
        found = image(name)
        if found is not None:
            yield from _placed(found.repository, environment, format_="docker")
        elif not emulated:
            wanted = f"{environment.location}-docker.pkg.dev/{environment.project}/plumbline/{name.rpartition('/')[2]}"
            message = f"{name} is not in Artifact Registry, where Vertex AI takes serving images from"
            yield Finding("error", "repositories", message, f"write {wanted} in the environment's config")
    if compiled := pipelines(environment):
        yield from _placed(compiled, environment, format_="kfp")


def check_machines(config: ProblemConfig, environment: Environment) -> Iterator[Finding]:
    """Whether machines and accelerators are legal, and the region has them. Source: `plumbline.catalogue`."""
    serving, location = config.serving, environment.location
    found = {
        "training.hardware": machines.training_findings(config.training.hardware, location),
        "serving": machines.serving_findings(
            serving.machine_type, serving.accelerator_type, serving.accelerator_count, location
        ),
    }
    for key, each in ((key, each) for key, findings in found.items() for each in findings):
        severity: Severity = "error" if each.fatal else "warning"
        yield Finding(severity, "machines", f"{key}: {each.message}", each.advice)


def described_load(serving: Serving) -> str:
    """What each replica must hold for the load to be borne, in words."""
    if serving.load is None:
        return "none is stated"
    peak, usual = f"{serving.load.peak_rate:g}", f"{serving.load.usual_rate:g}"
    wanted = f"{needed_rate(serving.load, capacity(serving)):.3g} requests/s"
    rate = serving.load.replica_rate
    known = "which is measured before the traffic moves" if rate is None else f"and holds {rate:.3g}"
    return f"{usual} requests/s, {peak} at the peak: a replica must hold {wanted}, {known}"


def check_load(serving: Serving) -> Iterator[Finding]:
    """Whether a load profile is there, and the replicas suffice by the rate that the config states."""
    load = serving.load
    if load is None:
        message = "nobody has said what the endpoint must bear, so nothing is checked before it serves"
        yield Finding("note", "load", message, "write serving.load in the problem's config (docs/load.md)")
    elif load.replica_rate is not None and (told := shortage(load, capacity(serving), load.replica_rate)):
        yield Finding("error", "load", told, "raise the replicas under serving in the problem's config (docs/load.md)")


def _placed(repository: Repository, environment: Environment, *, format_: str) -> Iterator[Finding]:
    if repository.location == environment.location:
        return
    where = "is multi-regional" if repository.location in _MULTI_REGIONS else f"lies in {repository.location}"
    message = f"{repository.name} {where}, wanted {environment.location}; name the new one in the environment's config"
    yield Finding("error", "repositories", message, make_repository(repository.name, environment, format_=format_))


def make_repository(name: str, environment: Environment, *, format_: str) -> str:
    """The command that makes a repository, of format docker or kfp, where Vertex AI is."""
    return (
        f"gcloud artifacts repositories create {name} --repository-format={format_} "
        f"--location={environment.location} --project={environment.project}"
    )
