"""The environment of a custom job's replicas."""

import json

from google.cloud.aiplatform_v1.types import custom_job

from emulator.aiplatform.custom_jobs.resource import environment, replicas
from emulator.aiplatform.methods import Message

PORTS = {(0, 0): 1, (1, 0): 2, (1, 1): 3, (2, 0): 4}


def job(*counts: int, output: str = "") -> Message:
    """A job with so many replicas in its pools."""
    return custom_job.CustomJob.pb()(
        job_spec={
            "worker_pool_specs": [{"replica_count": count} for count in counts],
            "base_output_directory": {"output_uri_prefix": output},
        }
    )


def test_replicas_are_counted_by_pool() -> None:
    """Pool and index of each."""
    assert replicas(job(1, 2, 1)) == list(PORTS)


def test_a_cluster_is_written_in_both_forms() -> None:
    """The pools are workerpool0 ... in CLUSTER_SPEC, and chief, worker, ps in TF_CONFIG."""
    variables = environment(job(1, 2, 1), PORTS, (1, 1))
    assert json.loads(variables["TF_CONFIG"]) == {
        "cluster": {"chief": ["127.0.0.1:1"], "worker": ["127.0.0.1:2", "127.0.0.1:3"], "ps": ["127.0.0.1:4"]},
        "task": {"type": "worker", "index": 1},
    }
    assert json.loads(variables["CLUSTER_SPEC"]) == {
        "cluster": {
            "workerpool0": ["127.0.0.1:1"],
            "workerpool1": ["127.0.0.1:2", "127.0.0.1:3"],
            "workerpool2": ["127.0.0.1:4"],
        },
        "environment": "cloud",
        "task": {"type": "workerpool1", "index": 1},
    }


def test_one_replica_is_no_cluster() -> None:
    """No TF_CONFIG, or TensorFlow would wait for others."""
    assert set(environment(job(1), {(0, 0): 1}, (0, 0))) == {"CLUSTER_SPEC"}


def test_directories_end_in_one_slash() -> None:
    """Whether the output directory has one or not."""
    for output in ("gs://b/x", "gs://b/x/"):
        variables = environment(job(1, output=output), {(0, 0): 1}, (0, 0))
        assert variables["AIP_MODEL_DIR"] == "gs://b/x/model/"
