"""JobService's hyperparameter tuning jobs."""

from emulator.aiplatform.jobs import Kind
from emulator.aiplatform.tuning_jobs import resource
from emulator.aiplatform.tuning_jobs.search import Search

TUNING_JOBS = Kind(
    name="HyperparameterTuningJob",
    module="hyperparameter_tuning_job",
    field="hyperparameter_tuning_job",
    collection="hyperparameterTuningJobs",
    check=resource.check,
    complete=lambda _: None,
    running=Search,
)
