"""Where things are: everything that Python knows of `configs/env/<name>.yaml`."""

import datetime as dt
from collections.abc import Mapping
from typing import Annotated

from pydantic import Field, model_validator

from plumbline.section import Fraction, Name, Positive, Text, section

ProjectId = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{4,28}[a-z0-9]$")]
Location = Annotated[str, Field(pattern=r"^[a-z]+-[a-z]+[0-9]+$")]
Bucket = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]$")]
Url = Annotated[str, Field(pattern=r"^https?://[^/\s]+$")]
Address = Annotated[str, Field(pattern=r"^[^/:\s]+:[0-9]+$")]
LabelValue = Annotated[str, Field(pattern=r"^[a-z0-9_-]{0,63}$")]
ServiceAccount = Annotated[
    str, Field(pattern=r"^([a-z][a-z0-9-]{4,28}[a-z0-9]@[a-z0-9.-]+\.iam\.gserviceaccount\.com)?$")
]
VpcNetwork = Annotated[str, Field(pattern=r"^(projects/[^/\s]+/global/networks/[^/\s]+)?$")]
EncryptionKey = Annotated[
    str, Field(pattern=r"^(projects/[^/\s]+/locations/[^/\s]+/keyRings/[^/\s]+/cryptoKeys/[^/\s]+)?$")
]
Amount = Annotated[float, Field(ge=0)]


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
class Schedule:
    """When the pipeline runs by itself."""

    cron: Text
    """Five fields: minute, hour, day of the month, month, day of the week."""
    time_zone: Text = "UTC"
    """Of the IANA database, such as Europe/Berlin."""


@section
class Prices:
    """What Google charges, in one currency. Copied from the price pages on a day: a list price, without discounts."""

    currency: Text
    source: Text
    date: dt.date
    """Of the copy."""
    query_tib: Amount
    """A TiB (2^40 bytes) that a BigQuery query reads, on demand."""
    bigquery_ml_tib: Amount | None = None
    """A TiB that CREATE MODEL reads; unknown where none is given."""
    automl_hour: Amount | None = None
    """A node hour of an AutoML tabular training; unknown where none is given."""
    pipeline_run: Amount
    """One run of a pipeline on Vertex AI, beside its steps' machines."""
    step_hour: Amount
    """An hour of the machine that a step runs on."""
    training_hour: Mapping[str, Amount]
    """An hour of a machine or an accelerator in a training job, by its type."""
    serving_hour: Mapping[str, Amount]
    """An hour of a machine or an accelerator that serves, by its type."""
    spot_share: Fraction = 1.0
    """What a spot machine costs of the full price; the market changes it daily, so 1 is the safe guess."""


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
    pipelines: Annotated[str, Field(pattern=r"^(https://[a-z0-9-]+-kfp\.pkg\.dev/[^/\s]+/[^/\s]+)?$")] = ""
    """The Artifact Registry repository that compiled pipelines are published to."""
    service_account: ServiceAccount = ""
    """What the steps and the training job run as; empty: the project's default, which may do too much."""
    build_service_account: ServiceAccount = ""
    """What Cloud Build builds the images as; empty: the project's default."""
    network: VpcNetwork = ""
    encryption_key: EncryptionKey = ""
    """The customer-managed key (CMEK) of pipeline, training job, model, endpoint and monitoring; in the same region."""
    labels: Mapping[Name, LabelValue] = Field(default_factory=dict)
    schedule: Schedule | None = None
    prices: Prices | None = None
    max_run_cost: Positive | None = None
    """A run whose estimate is above this is not submitted. In the currency of the prices."""
    endpoints: Endpoints | None = None

    @model_validator(mode="after")
    def _priced(self) -> "Environment":
        if self.max_run_cost is not None and self.prices is None:
            raise ValueError("max_run_cost needs prices")
        return self


@section
class Place:
    """What a step must know of the environment. It travels to each step that opens a client."""

    project: ProjectId
    location: Location
    bucket: Bucket
    dataset: Name
    bigquery_location: str
    service_account: ServiceAccount = ""
    network: VpcNetwork = ""
    encryption_key: EncryptionKey = ""
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
        encryption_key=environment.encryption_key,
        labels=environment.labels,
    )
