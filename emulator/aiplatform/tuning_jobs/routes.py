"""JobService's hyperparameter tuning jobs."""

from emulator.aiplatform.jobs import Kind
from emulator.aiplatform.methods import Message
from emulator.aiplatform.tuning_jobs import resource
from emulator.aiplatform.tuning_jobs.search import Search


def _close(job: Message, message: str) -> None:
    """No trial goes on in a job that has ended: a kill of the emulator may have ended it."""
    for trial in job.trials:
        if trial.state == trial.State.ACTIVE:
            trial.state, trial.infeasible_reason = trial.State.INFEASIBLE, message


TUNING_JOBS = Kind(
    name="HyperparameterTuningJob",
    module="hyperparameter_tuning_job",
    field="hyperparameter_tuning_job",
    collection="hyperparameterTuningJobs",
    check=resource.check,
    complete=lambda _: None,
    running=Search,
    close=_close,
)
