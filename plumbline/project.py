"""What a Google Cloud project is found to be: the facts that `make doctor` judges, and the questions it asks."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, TypeVar

from plumbline.calls import On
from plumbline.environment import Environment
from plumbline.permissions import Need, Who, needs, permissions

Kind = Literal["user", "key file", "impersonation", "federation", "metadata server", "emulator", "unknown", "none"]

_IMAGE = re.compile(r"^(?P<location>[a-z0-9-]+)-docker\.pkg\.dev/(?P<project>[^/]+)/(?P<name>[^/]+)/(?P<package>.+)$")
_PIPELINES = re.compile(r"^https://(?P<location>[a-z0-9-]+)-kfp\.pkg\.dev/(?P<project>[^/]+)/(?P<name>[^/]+)$")


@dataclass(frozen=True, slots=True)
class Refused:
    """A question that was answered with an error, or not at all."""

    code: str
    """Of google.rpc.Code, such as PERMISSION_DENIED."""
    message: str
    reason: str = ""
    """Of google.rpc.ErrorInfo, such as SERVICE_DISABLED."""


Fact = TypeVar("Fact")
Answer: TypeAlias = Fact | Refused


@dataclass(frozen=True, slots=True)
class Identity:
    """Who asks: Google's application default credentials, as far as they tell without a network."""

    kind: Kind
    email: str = ""
    """Of the service account; empty for a user, whose credentials do not say it."""
    quota_project: str = ""
    """The project that a user's requests are counted in."""

    @property
    def member(self) -> str:
        """The identity as gcloud's --member takes it."""
        return f"serviceAccount:{self.email}" if self.email else "user:$(gcloud config get account)"


@dataclass(frozen=True, slots=True)
class Project:
    """A project of Resource Manager."""

    number: str
    active: bool


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket of Cloud Storage."""

    location: str
    """Lower case."""
    kind: str
    """region, dual-region or multi-region."""


@dataclass(frozen=True, slots=True)
class Quota:
    """A limit of Cloud Quotas in one region."""

    quota_id: str
    limit: int
    """-1 for none."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An endpoint that is there already."""

    monitored: bool
    """Model Monitoring v1 watches it."""
    logged: bool
    """Requests and responses are logged."""


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository of Artifact Registry."""

    location: str
    project: str
    name: str

    @property
    def resource(self) -> str:
        """Its resource name."""
        return f"projects/{self.project}/locations/{self.location}/repositories/{self.name}"


@dataclass(frozen=True, slots=True)
class Image:
    """An image in Artifact Registry, without tag."""

    repository: Repository
    package: str

    def tag(self, name: str) -> str:
        """The resource name of a tag; a slash in a package is no separator. Source: package.proto."""
        return f"{self.repository.resource}/packages/{self.package.replace('/', '%2F')}/tags/{name}"


@dataclass(frozen=True, slots=True)
class Question:
    """A place where an account's permissions are tested, and what they are needed for."""

    who: Who
    on: On
    resource: str
    """As the API of the place calls it: an id, an e-mail address, project.dataset.table or a resource name."""
    needs: tuple[Need, ...]

    @property
    def permissions(self) -> Sequence[str]:
        """What is tested, each once."""
        return permissions(self.needs)


@dataclass(frozen=True, slots=True)
class Facts:
    """All that was found out."""

    identity: Identity
    project: Project
    services: Answer[frozenset[str]]
    """The APIs that are enabled, of those that are needed."""
    bucket: Answer[Bucket]
    dataset: Answer[str]
    """The dataset's location, lower case."""
    account: str
    """E-mail address of what the pipeline runs as."""
    enabled: Answer[bool]
    """Whether that account is."""
    impersonated: Answer[bool]
    """True where questions could be asked as that account."""
    granted: Mapping[Question, Answer[frozenset[str]]]
    quotas: Answer[Mapping[str, Quota]]
    """Those that the region has, by metric."""
    tags: Mapping[Image, Answer[bool]]
    """Whether the image is there for the code as it is."""
    endpoint: Answer[Endpoint | None]


def image(name: str) -> Image | None:
    """The image of this name; None when it lies elsewhere than in Artifact Registry.

    Source: Artifact Registry, "Repository and image names".
    """
    found = _IMAGE.match(name)
    return found and Image(Repository(found["location"], found["project"], found["name"]), found["package"])


def images(environment: Environment) -> tuple[Image, ...]:
    """The images that lie in Artifact Registry."""
    named = (environment.images.components, environment.images.trainer, environment.images.serving)
    return tuple(found for name in named if (found := image(name)))


def pipelines(environment: Environment) -> Repository | None:
    """The repository of compiled pipelines, None where none is named."""
    found = _PIPELINES.match(environment.pipelines)
    return found and Repository(found["location"], found["project"], found["name"])


def questions(environment: Environment, tables: Sequence[str], *, who: Who, account: str) -> tuple[Question, ...]:
    """What is to be asked about an account's permissions.

    Args:
        environment: Where things are.
        tables: The source tables, without project and dataset.
        who: Whose permissions.
        account: E-mail address of the pipeline's account.
    """
    dataset = f"{environment.project}.{environment.dataset}"
    resources: list[tuple[On, str]] = [("project", environment.project), ("bucket", environment.bucket)]
    resources += [("dataset", dataset), *(("table", f"{dataset}.{table}") for table in tables)]
    resources += [("service_account", account)]
    asked = [Question(who, on, resource, needs(who, on)) for on, resource in resources]
    published = tuple(need for need in needs(who, "repository") if need.step == "publish")
    pulled = tuple(need for need in needs(who, "repository") if need.step != "publish")
    repositories = dict.fromkeys((found.repository, pulled) for found in images(environment))
    if compiled := pipelines(environment):
        repositories[compiled, published] = None
    asked += [Question(who, "repository", where.resource, wanted) for where, wanted in repositories]
    return tuple(question for question in asked if question.needs)
