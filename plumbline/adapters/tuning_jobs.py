"""Vertex AI hyperparameter tuning jobs: made, waited for, never left running."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from plumbline.adapters.clients import Clients
from plumbline.environment import Place
from plumbline.errors import ServiceError
from plumbline.labels import label, run_of
from plumbline.problem import Data, Training
from plumbline.search_space import trial_training, with_parameters
from plumbline.training import COMMAND, ENVIRONMENT, arguments
from plumbline.tuning import METRIC, TUNABLE, WHOLE, Parameter, Trial, Tunable, Tuning, TuningReport

if TYPE_CHECKING:
    from google.cloud import aiplatform_v1 as vertex

    from plumbline.adapters.custom_jobs import Job


def search(  # noqa: PLR0913 - what to search, on what, where
    clients: Clients,
    name: str,
    data: Data,
    training: Training,
    *,
    image: str,
    uris: tuple[str, str],
    sleep: Callable[[float], None] = time.sleep,
) -> tuple[Training, TuningReport]:
    """The training with the best hyperparameters that a search has found; as it is, where none is asked for.

    Args:
        clients: Google's.
        name: Of the problem.
        data: The columns.
        training: The settings, with the space.
        image: Of the trainer, with digest.
        uris: gs:// URIs of the dataset and of the step's report, in whose folder the trials leave what they make.
        sleep: Waits for seconds.

    Raises:
        ServiceError: Vertex AI refuses the job, it fails, or no trial has succeeded.
    """
    if training.tuning is None:
        return training, TuningReport()
    from plumbline.adapters.custom_jobs import Job  # noqa: PLC0415 - takes seconds, and only a search needs it

    dataset, report = uris
    base = trial_training(training, training.tuning)
    folder = f"{report.rpartition('/')[0]}/trials"
    given = arguments(name, data, base, dataset=dataset, history=f"{folder}/history")
    labels = {"problem": label(name), "run": run_of(report)}
    job = Job(f"{name}-tune", image, COMMAND, given, ENVIRONMENT, folder, labels)
    found = _report(run(clients, job, training, training.tuning, sleep=sleep))
    if not found.best:
        raise ServiceError(f"no trial of {found.job} has told its {METRIC}: see the trials' logs")
    best = next(trial for trial in found.trials if trial.number == found.best)
    return with_parameters(replace(training, tuning=None), best.parameters), found


def run(
    clients: Clients,
    job: "Job",
    training: Training,
    tuning: Tuning,
    *,
    sleep: Callable[[float], None] = time.sleep,
) -> "vertex.HyperparameterTuningJob":
    """The search, once it has succeeded.

    One that an interrupted step has left running for the same output is waited for, not started twice.

    Args:
        clients: Google's.
        job: What each trial runs, and where the trials leave what they make.
        training: Whose machines the trials have.
        tuning: The space, and how it is searched.
        sleep: Waits for seconds.

    Raises:
        ServiceError: Vertex AI refuses the job, or it does not succeed; the message has the first error.
    """
    from google.cloud import aiplatform_v1 as vertex  # noqa: PLC0415 - as above

    from plumbline.adapters.custom_jobs import OUTPUT, Waiting, await_end, marked  # noqa: PLC0415 - as above
    from plumbline.adapters.operations import service_errors  # noqa: PLC0415 - as above
    from plumbline.adapters.registry import parent  # noqa: PLC0415 - as above
    from plumbline.adapters.retries import once, patience_of  # noqa: PLC0415 - as above

    jobs, place = clients.jobs(), clients.place
    wanted, mark = tuning_job(place, job, training, tuning), marked(job.output)
    wanted.labels[OUTPUT] = mark
    listing = vertex.ListHyperparameterTuningJobsRequest(parent=parent(place), filter=f'labels.{OUTPUT}="{mark}"')
    with service_errors(f"starting the search {job.name}"):
        made = once(
            jobs,
            lambda: next((j for j in jobs.list_hyperparameter_tuning_jobs(listing) if not Waiting.is_over(j)), None),
            lambda: jobs.create_hyperparameter_tuning_job(
                parent=parent(place), hyperparameter_tuning_job=wanted, retry=None
            ),
        )
    hardware = training.hardware
    rounds = -(-tuning.trials // tuning.parallel)
    waiting = Waiting(
        made.name,
        look=lambda: jobs.get_hyperparameter_tuning_job(name=made.name),
        cancel=lambda: jobs.cancel_hyperparameter_tuning_job(name=made.name),
        patience_s=rounds * (hardware.wait_s + hardware.timeout_s) + patience_of(jobs).margin_s,
    )
    ended = await_end(jobs, waiting, sleep)
    if ended.state != vertex.JobState.JOB_STATE_SUCCEEDED:
        state = ended.state.name.removeprefix("JOB_STATE_").lower()
        raise ServiceError(f"the search {job.name} {state}: {_first_error(ended)} ({made.name})")
    return ended


def _first_error(job: "vertex.HyperparameterTuningJob") -> str:
    """What a job says went wrong; where it says nothing, what the first trial that failed says."""
    told = (trial.infeasible_reason for trial in job.trials if trial.infeasible_reason)
    return job.error.message or next(told, "see the trials' logs")


def tuning_job(place: Place, job: "Job", training: Training, tuning: Tuning) -> "vertex.HyperparameterTuningJob":
    """The job as Vertex AI is asked for it."""
    from google.cloud import aiplatform_v1 as vertex  # noqa: PLC0415 - as above

    from plumbline.adapters.custom_jobs import custom_job  # noqa: PLC0415 - as above
    from plumbline.adapters.registry import encryption  # noqa: PLC0415 - as above

    study, kinds = vertex.StudySpec, vertex.StudySpec.Algorithm
    algorithms = {"bayesian": kinds.ALGORITHM_UNSPECIFIED, "random": kinds.RANDOM_SEARCH, "grid": kinds.GRID_SEARCH}
    trial = custom_job(place, job, training.hardware)
    spec = study(
        metrics=[study.MetricSpec(metric_id=METRIC, goal=study.MetricSpec.GoalType.MAXIMIZE)],
        parameters=[_parameter(name, parameter) for name, parameter in tuning.parameters.items()],
        algorithm=algorithms[tuning.algorithm],
        measurement_selection_type=study.MeasurementSelectionType.BEST_MEASUREMENT,
    )
    if tuning.early_stopping == "median":
        spec.median_automated_stopping_spec = study.MedianAutomatedStoppingSpec()
    return vertex.HyperparameterTuningJob(
        display_name=job.name,
        study_spec=spec,
        max_trial_count=tuning.trials,
        parallel_trial_count=min(tuning.parallel, tuning.trials),
        # What ails the data or the code fails every trial: the rest need not be paid for.
        max_failed_trial_count=tuning.trials // 2 + 1,
        trial_job_spec=trial.job_spec,
        labels=trial.labels,
        encryption_spec=encryption(place),
    )


def _parameter(name: Tunable, parameter: Parameter) -> "vertex.StudySpec.ParameterSpec":
    from google.cloud import aiplatform_v1 as vertex  # noqa: PLC0415 - as above

    spec = vertex.StudySpec.ParameterSpec
    scale = spec.ScaleType.UNIT_LOG_SCALE if parameter.scale == "log" else spec.ScaleType.UNIT_LINEAR_SCALE
    if parameter.values:
        values = spec.DiscreteValueSpec(values=list(parameter.values))
        return spec(parameter_id=name, scale_type=scale, discrete_value_spec=values)
    low, high = parameter.minimum or 0.0, parameter.maximum or 0.0
    if name in WHOLE:
        whole = spec.IntegerValueSpec(min_value=round(low), max_value=round(high))
        return spec(parameter_id=name, scale_type=scale, integer_value_spec=whole)
    real = spec.DoubleValueSpec(min_value=low, max_value=high)
    return spec(parameter_id=name, scale_type=scale, double_value_spec=real)


def _report(job: "vertex.HyperparameterTuningJob") -> TuningReport:
    trials = tuple(_trial(trial) for trial in job.trials)
    judged = [trial for trial in trials if trial.auc_pr is not None]
    best = max(judged, key=lambda trial: trial.auc_pr or 0.0).number if judged else ""
    return TuningReport(job=job.name, best=best, trials=trials)


def _trial(trial: "vertex.Trial") -> Trial:
    values: Mapping[str, float] = {each.parameter_id: float(each.value) for each in trial.parameters}
    final: Sequence[float] = [each.value for each in trial.final_measurement.metrics if each.metric_id == METRIC]
    return Trial(
        number=trial.id,
        parameters={name: values[name] for name in TUNABLE if name in values},
        state=trial.state.name,
        auc_pr=final[0] if final and trial.state.name == "SUCCEEDED" else None,
        # Vertex AI need not list the measurements; the step of the final one is an epoch that there was.
        epochs=max(len(trial.measurements), trial.final_measurement.step_count),
    )
