"""Where things are: everything that Python knows of `configs/env/<name>.yaml`."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from plumbline.section import Name, section

ProjectId = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{4,28}[a-z0-9]$")]
Location = Annotated[str, Field(pattern=r"^[a-z]+-[a-z]+[0-9]+$")]
Bucket = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]$")]
Url = Annotated[str, Field(pattern=r"^https?://[^/\s]+$")]
Address = Annotated[str, Field(pattern=r"^[^/:\s]+:[0-9]+$")]
LabelValue = Annotated[str, Field(pattern=r"^[a-z0-9_-]{0,63}$")]


@section
class Endpoints:
    """Where the clients point. Left out: Google's own endpoints."""

    aiplatform: Url
    bigquery: Url
    bigquery_storage: Address
    storage: Url


@section
class Images:
    """The repositories of the three images, without tag: a digest is linked in when a pipeline is submitted."""

    components: Annotated[str, Field(pattern=r"^[^\s@:]+(:[0-9]+)?(/[^\s@:]+)+$")]
    trainer: Annotated[str, Field(pattern=r"^[^\s@:]+(:[0-9]+)?(/[^\s@:]+)+$")]
    serving: Annotated[str, Field(pattern=r"^[^\s@:]+(:[0-9]+)?(/[^\s@:]+)+$")]


@section
class Environment:
    """All of `configs/env/<name>.yaml`."""

    project: ProjectId
    location: Location
    bucket: Bucket
    dataset: Name
    """The BigQuery dataset that holds the source tables and the features made from them."""
    bigquery_location: str
    """Of the dataset; the bucket and Vertex AI must be able to read from there."""
    images: Images
    service_account: str = ""
    network: str = ""
    labels: Mapping[Name, LabelValue] = Field(default_factory=dict)
    endpoints: Endpoints | None = None


@section
class Place:
    """What a step must know of the environment. It travels to each step that opens a client."""

    project: ProjectId
    location: Location
    bucket: Bucket
    dataset: Name
    bigquery_location: str
    service_account: str = ""
    network: str = ""
    labels: Mapping[Name, LabelValue] = Field(default_factory=dict)


def place(environment: Environment) -> Place:
    """The part of the environment that steps need."""
    return Place(
        project=environment.project,
        location=environment.location,
        bucket=environment.bucket,
        dataset=environment.dataset,
        bigquery_location=environment.bigquery_location,
        service_account=environment.service_account,
        network=environment.network,
        labels=environment.labels,
    )
