"""Beam's options: from our config to what Beam itself reads of them."""

import pytest
from apache_beam.options.pipeline_options import GoogleCloudOptions, PipelineOptions, StandardOptions, WorkerOptions
from pydantic import ValidationError

from plumbline.dataflow import Beam, beam_options
from plumbline.environment import Place

PLACE = Place(
    project="my-project",
    location="us-central1",
    bucket="my-bucket",
    dataset="plumbline",
    bigquery_location="US",
    service_account="runner@my-project.iam.gserviceaccount.com",
    network="projects/my-project/global/networks/private",
    encryption_key="projects/my-project/locations/us-central1/keyRings/ring/cryptoKeys/key",
    labels={"team": "delays", "env": "dev"},
)
DATAFLOW = Beam(runner="dataflow", image="us-docker.pkg.dev/p/r/components:abc", maximum_workers=4)


def test_the_direct_runner_needs_nothing_of_the_place() -> None:
    """It runs on the step's own machine."""
    assert beam_options(Beam(), PLACE, job="evaluate") == {"runner": "DirectRunner"}


def test_beam_reads_its_dataflow_options_from_the_config() -> None:
    """By Beam's own option classes, which drop what they do not know."""
    options = PipelineOptions.from_dictionary(beam_options(DATAFLOW, PLACE, job="evaluate-1"))
    assert options.view_as(StandardOptions).runner == "DataflowRunner"
    cloud, workers = options.view_as(GoogleCloudOptions), options.view_as(WorkerOptions)
    assert (cloud.project, cloud.region, cloud.job_name) == ("my-project", "us-central1", "evaluate-1")
    assert cloud.temp_location == "gs://my-bucket/dataflow/temp"
    assert cloud.staging_location == "gs://my-bucket/dataflow/staging"
    assert cloud.service_account_email == "runner@my-project.iam.gserviceaccount.com"
    assert cloud.dataflow_kms_key.endswith("/cryptoKeys/key")
    assert cloud.labels == ["env=dev", "team=delays"]
    assert (workers.machine_type, workers.max_num_workers) == ("n1-standard-4", 4)
    assert workers.sdk_container_image == "us-docker.pkg.dev/p/r/components:abc"
    assert (workers.network, workers.use_public_ips) == ("private", False)


def test_no_option_is_unknown_to_beam() -> None:
    """A misspelt one would be lost without a word."""
    known = PipelineOptions([]).get_all_options()
    assert set(beam_options(DATAFLOW, PLACE, job="evaluate")) <= set(known)


def test_what_a_place_does_not_have_is_left_out() -> None:
    """No service account, network, key or label: Dataflow's defaults."""
    bare = Place(project="my-project", location="us-central1", bucket="my-bucket", dataset="d", bigquery_location="US")
    given = set(beam_options(DATAFLOW, bare, job="evaluate"))
    assert not given & {"service_account_email", "network", "use_public_ips", "dataflow_kms_key", "labels"}


@pytest.mark.parametrize(("runner", "image"), [("dataflow", ""), ("direct", "an/image:tag")])
def test_dataflow_and_its_image_belong_together(runner: str, image: str) -> None:
    """Workers without TFMA would fail after minutes; an image for the direct runner is a mistake."""
    with pytest.raises(ValidationError, match="image belongs to the runner dataflow"):
        Beam(runner=runner, image=image)  # type: ignore[arg-type] # refused, which is the point
