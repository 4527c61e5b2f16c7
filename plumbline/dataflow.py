"""Where `engine: tfma` runs: Beam's direct runner on the step's machine, or Dataflow, by options of Beam."""

from collections.abc import Mapping
from typing import Literal

from pydantic import model_validator

from plumbline.environment import Place
from plumbline.section import Count, section

Options = Mapping[str, str | int | bool | list[str]]


@section
class Beam:
    """How Beam runs TFMA."""

    runner: Literal["direct", "dataflow"] = "direct"
    image: str = ""
    """For Dataflow: the workers' image with its tag or digest. It has this repository's packages, as the components'
    image has, and Beam's own boot program, which that one does not have (docs/evaluation.md)."""
    machine_type: str = "n1-standard-4"
    maximum_workers: Count = 10

    @model_validator(mode="after")
    def _with_image(self) -> "Beam":
        if (self.runner == "dataflow") != bool(self.image):
            raise ValueError("image belongs to the runner dataflow, which needs one")
        return self


def beam_options(beam: Beam, place: Place, *, job: str) -> Options:
    """Beam's options by name, for `PipelineOptions.from_dictionary`.

    Args:
        beam: Which runner, and how large.
        place: Project, region, bucket, service account, network, key and labels of the job.
        job: Its name: lower case letters, digits and dashes.

    Source: https://cloud.google.com/dataflow/docs/reference/pipeline-options, Python.
    """
    if beam.runner == "direct":
        return {"runner": "DirectRunner"}
    options: dict[str, str | int | bool | list[str]] = {
        "runner": "DataflowRunner",
        "project": place.project,
        "region": place.location,
        "job_name": job,
        "temp_location": f"gs://{place.bucket}/dataflow/temp",
        "staging_location": f"gs://{place.bucket}/dataflow/staging",
        "sdk_container_image": beam.image,
        "machine_type": beam.machine_type,
        "max_num_workers": beam.maximum_workers,
    }
    if place.service_account:
        options["service_account_email"] = place.service_account
    if place.network:
        # Dataflow takes the name alone; a private network is there to be used without public addresses.
        options |= {"network": place.network.rpartition("/")[2], "use_public_ips": False}
    if place.encryption_key:
        options["dataflow_kms_key"] = place.encryption_key
    if place.labels:
        options["labels"] = [f"{name}={value}" for name, value in sorted(place.labels.items())]
    return options
