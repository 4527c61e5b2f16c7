"""What `make doctor` concludes from what it was told about a project: each check a pure function of the facts."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from plumbline.calls import On
from plumbline.environment import Environment
from plumbline.finding import Finding, ok
from plumbline.grants import grant
from plumbline.preflight import make_repository
from plumbline.problem import ProblemConfig
from plumbline.project import (
    Answer,
    Bucket,
    Endpoint,
    Facts,
    Image,
    Project,
    Question,
    Quota,
    Refused,
    images,
    pipelines,
)

SERVICES = tuple(
    f"{name}.googleapis.com"
    for name in (
        "aiplatform",
        "artifactregistry",
        "bigquery",
        "bigquerystorage",
        "cloudbuild",
        "cloudquotas",
        "cloudresourcemanager",
        "compute",
        "iam",
        "iamcredentials",
        "logging",
        "monitoring",
        "serviceusage",
        "storage",
    )
)
"""The APIs that a run and its commands call, themselves or through Vertex AI."""
_AGAIN = "make doctor"
_QUOTAS = "gcloud beta quotas info list --service=aiplatform.googleapis.com"
_OFF, _MISSING, _FORBIDDEN = "SERVICE_DISABLED", "NOT_FOUND", "PERMISSION_DENIED"
_IMPERSONATE, _PULL = "iam.serviceAccounts.getAccessToken", "artifactregistry.repositories.downloadArtifacts"
_AMERICAS = ("us-", "northamerica-", "southamerica-")
_LOOKS: Mapping[str, tuple[On, str]] = {
    "APIs": ("project", "serviceusage.services.get"),
    "bucket": ("bucket", "storage.buckets.get"),
    "dataset": ("dataset", "bigquery.datasets.get"),
    "service account": ("service_account", "iam.serviceAccounts.get"),
    "impersonation": ("service_account", _IMPERSONATE),
    "quota": ("project", "cloudquotas.quotas.get"),
    "images": ("repository", "artifactregistry.tags.get"),
    "endpoint": ("project", "aiplatform.endpoints.get"),
}
"""What each check needs in order to look."""


def diagnose(
    config: ProblemConfig, environment: Environment, facts: Facts, needed: Mapping[str, int]
) -> tuple[Finding, ...]:
    """All that is wrong with a project, and what is right.

    Args:
        config: The problem.
        environment: Where it is to run.
        facts: What was found there.
        needed: Accelerators and CPUs of the training job and the endpoint, by the metric of their quota.
    """
    env = environment
    allow = {check: _allow(check, facts, env) for check in _LOOKS}
    checks: Sequence[Iterable[Finding]] = (
        check_project(facts.project, env.project),
        check_services(facts.services, env.project, allow=allow["APIs"]),
        check_bucket(facts.bucket, env, allow=allow["bucket"]),
        check_dataset(facts.dataset, env, allow=allow["dataset"]),
        check_account(facts.enabled, facts.account, env.project, allow=allow["service account"]),
        check_impersonation(facts.impersonated, facts.account, allow=allow["impersonation"]),
        check_places(facts.granted, env),
        check_permissions(facts, env.project),
        check_quotas(facts.quotas, needed, env, allow=allow["quota"]),
        check_images(facts.tags, facts.granted, allow=allow["images"]),
        check_pull(images(env), facts.project, env.project),
        check_endpoint(facts.endpoint, config.serving.endpoint, allow=allow["endpoint"]),
    )
    return tuple(finding for findings in checks for finding in findings)


def unreachable(refused: Refused, project: str, member: str) -> Finding:
    """Why nothing at all could be asked."""
    match refused.code:
        case "UNAUTHENTICATED":
            message = f"Google does not take them: {refused.message}"
            return Finding("error", "credentials", message, "gcloud auth application-default login")
        case "NOT_FOUND":
            return Finding("error", "project", f"there is no project {project}", f"gcloud projects create {project}")
        case "PERMISSION_DENIED":
            # Resource Manager answers so for a project that is not there, too.
            permission = "resourcemanager.projects.get"
            message = f"there is no project {project}, or you lack {permission} on it: {refused.message}"
            mend = grant(permission, member, on="project", resource=project, project=project)
            return Finding("error", "project", message, mend)
        case _:
            return _not_looked_at("project", refused)


def check_project(found: Project, project: str) -> Iterator[Finding]:
    """Whether the project is in use."""
    if found.active:
        yield ok("project", f"{project}, number {found.number}")
    else:
        yield Finding("error", "project", f"{project} is being deleted", f"gcloud projects undelete {project}")


def check_services(found: Answer[frozenset[str]], project: str, *, allow: str) -> Iterator[Finding]:
    """Whether all the APIs are enabled."""
    if isinstance(found, Refused) and found.reason != _OFF:
        yield from _unanswered("APIs", found, allow)
        return
    enabled = frozenset() if isinstance(found, Refused) else found
    if off := [name for name in SERVICES if name not in enabled]:
        mend = f"gcloud services enable {' '.join(off)} --project={project}"
        yield Finding("error", "APIs", f"not enabled: {', '.join(off)}", mend)
    else:
        yield ok("APIs", f"{len(SERVICES)} enabled")


def check_bucket(found: Answer[Bucket], environment: Environment, *, allow: str) -> Iterator[Finding]:
    """Whether the bucket is in the region of Vertex AI, and in no other. Source: Vertex AI, "Locations"."""
    name, location = environment.bucket, environment.location
    match found:
        case Refused(code="NOT_FOUND"):
            place = f"--location={location} --project={environment.project}"
            mend = f"gcloud storage buckets create gs://{name} {place} --uniform-bucket-level-access"
            yield Finding("error", "bucket", f"there is no bucket {name}", mend)
        case Refused():
            yield from _unanswered("bucket", found, allow)
        case Bucket(location=there, kind="region") if there == location:
            yield ok("bucket", f"{name} in {location}")
        case Bucket(location=there, kind=kind):
            message = (
                f"{name} is a {kind} bucket in {there}: training, and the image that serves, read only from a bucket "
                f"of their own region, {location}"
            )
            mend = f"gcloud storage buckets relocate gs://{name} --location={location}"
            yield Finding("error", "bucket", message, mend)


def check_dataset(found: Answer[str], environment: Environment, *, allow: str) -> Iterator[Finding]:
    """Whether the dataset is where the config says, and where the bucket and Vertex AI can read from it.

    Source: BigQuery, "Locations" (a job runs where its dataset is); Vertex AI, "Locations" (in the Americas also tables
    of the multi-region are read, elsewhere only those of the region).
    """
    name, region, said = environment.dataset, environment.location, environment.bigquery_location.lower()
    make = f"mk --dataset {environment.project}:{name}"
    match found:
        case Refused(code="NOT_FOUND"):
            yield Finding("error", "dataset", f"there is no dataset {name}", f"bq --location={said} {make}")
        case Refused():
            yield from _unanswered("dataset", found, allow)
        case there if there != said:
            message = f"{name} lies in {there}, the config says {said}, where BigQuery would look for it in vain"
            yield Finding("error", "dataset", message, f"write bigquery_location: {there} in the environment's config")
        case there if there == region:
            yield ok("dataset", f"{name} in {there}")
        case "us" if region.startswith(_AMERICAS):
            message = f"{name} lies in the multi-region US, bucket and Vertex AI in {region}: what is read is paid for"
            yield Finding("warning", "dataset", message, f"bq --location={region} {make}_regional")
        case there:
            message = (
                f"{name} lies in {there}, bucket and Vertex AI in {region}: model monitoring cannot read from there; "
                "make one where they are and name it in the environment's config"
            )
            yield Finding("error", "dataset", message, f"bq --location={region} {make}_regional")


def check_account(found: Answer[bool], email: str, project: str, *, allow: str) -> Iterator[Finding]:
    """Whether the account that the pipeline runs as is there and enabled."""
    match found:
        case Refused(code="NOT_FOUND"):
            mend = f"gcloud iam service-accounts create {email.partition('@')[0]} --project={project}"
            yield Finding("error", "service account", f"there is no {email}", mend)
        case Refused():
            yield from _unanswered("service account", found, allow)
        case False:
            mend = f"gcloud iam service-accounts enable {email} --project={project}"
            yield Finding("error", "service account", f"{email} is disabled", mend)
        case _:
            yield ok("service account", f"{email} is there")


def check_impersonation(found: Answer[bool], email: str, *, allow: str) -> Iterator[Finding]:
    """Whether the account could be impersonated; else nothing is known of what it may do."""
    if not isinstance(found, Refused):
        yield ok("impersonation", f"its permissions are tested as {email}")
    elif found.code == _FORBIDDEN and found.reason != _OFF:
        message = f"you cannot impersonate {email}, so what it may do is unknown: {found.message}"
        yield Finding("error", "impersonation", message, allow)
    elif found.code != _MISSING:
        yield from _unanswered("impersonation", found, allow)


def check_places(granted: Mapping[Question, Answer[frozenset[str]]], environment: Environment) -> Iterator[Finding]:
    """Whether the source tables and the repositories are there."""
    compiled = pipelines(environment)
    absent = {(q.on, q.resource): None for q, found in granted.items() if _is_missing(found)}
    for on, resource in absent:
        if on == "table":
            project, dataset, table = resource.split(".")
            mend = f"bq load --source_format=PARQUET {project}:{dataset}.{table} {table}.parquet"
            yield Finding("error", "tables", f"there is no table {resource}", mend)
        elif on == "repository":
            format_ = "kfp" if compiled and compiled.resource == resource else "docker"
            mend = make_repository(resource.rpartition("/")[2], environment, format_=format_)
            yield Finding("error", "repositories", f"there is no {resource}", mend)


def check_permissions(facts: Facts, project: str) -> Iterator[Finding]:
    """Whether each account may do what each step needs: what it lacks, for what, and the command that grants it."""
    lacking: dict[Finding, None] = {}
    tested: dict[str, int] = {}
    for question, found in facts.granted.items():
        who = facts.account if question.who == "pipeline" else "you"
        if isinstance(found, Refused):
            # A place that is not there is a finding of its own.
            unasked = () if found.code == _MISSING else _unanswered("permissions", found, _AGAIN)
            lacking.update(dict.fromkeys(unasked))
            continue
        tested[who] = tested.get(who, 0) + len(question.permissions)
        member = f"serviceAccount:{who}" if question.who == "pipeline" else facts.identity.member
        absent = [permission for permission in question.permissions if permission not in found]
        lacking.update(dict.fromkeys(_lacks(question, each, who, member, project) for each in absent))
    # Those that one command mends stand together.
    yield from sorted(lacking, key=lambda finding: finding.mend)
    if not lacking:
        yield from (ok("permissions", f"{who}: {count} tested") for who, count in tested.items())


def check_quotas(
    found: Answer[Mapping[str, Quota]], needed: Mapping[str, int], environment: Environment, *, allow: str
) -> Iterator[Finding]:
    """Whether the region's quotas are enough for the training job and the endpoint."""
    if isinstance(found, Refused):
        yield from _unanswered("quota", found, allow)
        return
    for metric, wanted in needed.items():
        quota = found.get(metric)
        if quota is None:
            message = f"Cloud Quotas names no {metric} in {environment.location}, of which {wanted} are needed"
            yield Finding("warning", "quota", message, f"{_QUOTAS} --project={environment.project}")
        elif 0 <= quota.limit < wanted:
            message = f"{metric} in {environment.location} is {quota.limit}, wanted {wanted}"
            yield Finding("error", "quota", message, _ask_for(quota, wanted, environment))
        else:
            yield ok("quota", f"{metric}: {'no limit' if quota.limit < 0 else quota.limit}, wanted {wanted}")


def check_images(
    tags: Mapping[Image, Answer[bool]], granted: Mapping[Question, Answer[frozenset[str]]], *, allow: str
) -> Iterator[Finding]:
    """Whether there are images of the code as it is; a run builds those that are missing."""
    absent = {question.resource for question, found in granted.items() if _is_missing(found)}
    for image, found in tags.items():
        if image.repository.resource in absent:
            continue
        if isinstance(found, Refused):
            yield from _unanswered("images", found, allow)
        elif found:
            yield ok("images", f"{image.package} is built, of this code")
        else:
            message = f"{image.package} is not built for this code yet; make run-pipeline does it"
            yield Finding("note", "images", message, "make images")


def check_pull(named: Iterable[Image], project: Project, owner: str) -> Iterator[Finding]:
    """Whether Vertex AI's service agent, which pulls the serving image, can be expected to read the repository.

    Source: Vertex AI, "Custom container requirements": in its own project it can, in another it must be allowed to.
    """
    for repository in dict.fromkeys(image.repository for image in named if image.repository.project != owner):
        agent = f"serviceAccount:service-{project.number}@gcp-sa-aiplatform.iam.gserviceaccount.com"
        message = f"{repository.resource} is of another project: Vertex AI's service agent must be allowed to read it"
        mend = grant(_PULL, agent, on="repository", resource=repository.resource, project=owner)
        yield Finding("warning", "images", message, mend)


def check_endpoint(found: Answer[Endpoint | None], name: str, *, allow: str) -> Iterator[Finding]:
    """Whether the endpoint can log requests and responses. Source: Vertex AI, "Online prediction logging"."""
    match found:
        case Refused():
            yield from _unanswered("endpoint", found, allow)
        case None:
            yield ok("endpoint", f"{name} is made by the first run")
        case Endpoint(monitored=True, logged=False):
            message = (
                f"{name} has model monitoring and no request-response logging, which can be added no longer; "
                "a new endpoint can have it"
            )
            yield Finding("warning", "endpoint", message, "write another serving.endpoint in the problem's config")
        case Endpoint():
            yield ok("endpoint", f"{name} is there")


def _lacks(question: Question, permission: str, who: str, member: str, project: str) -> Finding:
    wanted = [need for need in question.needs if need.permission == permission]
    steps = ", ".join(dict.fromkeys(f"{need.step} ({need.call})" for need in wanted))
    lack, kind = "lack" if who == "you" else "lacks", question.on.replace("_", " ")
    message = f"{who} {lack} {permission} on the {kind} {question.resource}, for {steps}"
    mend = grant(permission, member, on=question.on, resource=question.resource, project=project)
    return Finding("error", "permissions", message, mend)


def _ask_for(quota: Quota, wanted: int, environment: Environment) -> str:
    return (
        f"gcloud beta quotas preferences create --service=aiplatform.googleapis.com --project={environment.project} "
        f"--quota-id={quota.quota_id} --preferred-value={wanted} --dimensions=region={environment.location}"
    )


def _allow(check: str, facts: Facts, environment: Environment) -> str:
    """The command that lets whoever asks look."""
    on, permission = _LOOKS[check]
    resources: Mapping[str, str] = {
        "project": environment.project,
        "bucket": environment.bucket,
        "dataset": f"{environment.project}.{environment.dataset}",
        "service_account": facts.account,
    }
    found = resources.get(on) or next((q.resource for q in facts.granted if q.on == on), "")
    return grant(permission, facts.identity.member, on=on, resource=found, project=environment.project) if found else ""


def _is_missing(found: Answer[object]) -> bool:
    return isinstance(found, Refused) and found.code == _MISSING


def _unanswered(check: str, refused: Refused, allow: str) -> Iterator[Finding]:
    """What a refusal says: nothing, where an API is off, which is a finding already."""
    if refused.reason != _OFF:
        yield _not_looked_at(check, refused, allow if refused.code == _FORBIDDEN else _AGAIN)


def _not_looked_at(check: str, refused: Refused, mend: str = _AGAIN) -> Finding:
    # What could not be looked at does not count as right.
    return Finding("error", check, f"could not be looked at: {refused.code}: {refused.message}", mend)
