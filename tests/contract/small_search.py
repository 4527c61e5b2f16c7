"""A search of two trials that are done at once, by the product's own adapter."""

from collections.abc import Sequence

from google.cloud import aiplatform_v1 as vertex

from plumbline.adapters import registry, tuning_jobs
from plumbline.adapters.clients import Clients
from plumbline.adapters.custom_jobs import Job
from plumbline.hardware import Hardware
from plumbline.problem import Training
from plumbline.tuning import METRIC, Parameter, Tuning

TELLS = f"""
import json, os
with open(os.environ["CLOUD_ML_HP_METRIC_FILE"], "w") as file:
    file.write(json.dumps({{"{METRIC}": "0.5", "global_step": "1"}}) + "\\n")
"""


def search(clients: Clients, name: str, *, code: str = TELLS) -> vertex.HyperparameterTuningJob:
    """Searches; each trial runs a piece of Python."""
    job = Job(f"{name}-tune", "image", ("python", "-S", "-c", code), (), {}, output=f"gs://models/{name}/tune")
    training = Training(hardware=Hardware(wait_s=1, timeout_s=1))
    tuning = Tuning(parameters={"dropout": Parameter(values=(0.1, 0.2))}, trials=2, parallel=2)
    return tuning_jobs.run(clients, job, training, tuning)


def states(clients: Clients, world: str) -> Sequence[str]:
    """How the searches with a label `world` stand."""
    request = vertex.ListHyperparameterTuningJobsRequest(
        parent=registry.parent(clients.place), filter=f'labels.world="{world}"'
    )
    return [job.state.name for job in clients.jobs().list_hyperparameter_tuning_jobs(request)]
