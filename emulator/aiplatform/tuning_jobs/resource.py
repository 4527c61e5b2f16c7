"""The rules of hyperparameter tuning jobs, and the custom job that a trial is.

Source: hyperparameter_tuning_job.proto, study.proto; Vertex AI, "Create a hyperparameter tuning job".
"""

import itertools
import math
import re
from collections.abc import Mapping, Sequence

from emulator.aiplatform import wire
from emulator.aiplatform.context import TYPES
from emulator.aiplatform.custom_jobs import resource as custom_jobs
from emulator.aiplatform.custom_jobs import scheduling
from emulator.aiplatform.errors import invalid
from emulator.aiplatform.methods import Message, message_class
from emulator.aiplatform.names import check_named
from emulator.aiplatform.tuning_jobs.suggestion import GRID, algorithm, kind, values

FIELDS = (
    "display_name",
    "study_spec",
    "max_trial_count",
    "parallel_trial_count",
    "max_failed_trial_count",
    "trial_job_spec",
    "labels",
    "encryption_spec",
)
STUDY_FIELDS = ("metrics", "parameters", "algorithm", "measurement_selection_type", "median_automated_stopping_spec")
PARAMETER_FIELDS = ("parameter_id", "scale_type", "double_value_spec", "integer_value_spec", "discrete_value_spec")
_ID = re.compile(r"\S+")
_MOST_VALUES = 1000
_CLOSEST = 1e-10
METRICS = "CLOUD_ML_HP_METRIC_FILE"
"""The variable with the file that cloudml-hypertune writes to."""


def check(job: Message) -> None:
    """Nothing, when Vertex AI would take the job.

    Raises:
        ApiError: It would not, or the emulator cannot run it.
    """
    wire.only(job, FIELDS, "hyperparameter_tuning_job")
    check_named(job, "hyperparameter_tuning_job")
    _check_counts(job)
    study = job.study_spec
    wire.only(study, STUDY_FIELDS, "study_spec")
    if len(study.metrics) != 1:
        raise invalid(f"study_spec.metrics must have exactly one entry here, got {len(study.metrics)}")
    metric = study.metrics[0]
    wire.only(metric, ("metric_id", "goal"), "study_spec.metrics[0]")
    if not _ID.fullmatch(metric.metric_id):
        raise invalid(f"study_spec.metrics[0].metric_id must be set, without white space, got {metric.metric_id!r}")
    if not metric.goal:
        raise invalid("study_spec.metrics[0].goal is required")
    if not study.parameters:
        raise invalid("study_spec.parameters must not be empty")
    ids = [parameter.parameter_id for parameter in study.parameters]
    if len(set(ids)) < len(ids):
        raise invalid(f"study_spec.parameters must differ in their ids, got {ids}")
    for position, parameter in enumerate(study.parameters):
        _check_parameter(parameter, f"study_spec.parameters[{position}]", is_grid=algorithm(study) == GRID)
    custom_jobs.check(trial_job(job, "1", {}))


def _check_counts(job: Message) -> None:
    for name in ("max_trial_count", "parallel_trial_count"):
        if (count := getattr(job, name)) < 1:
            raise invalid(f"{name} must be at least 1, got {count}")
    if job.parallel_trial_count > job.max_trial_count:
        raise invalid(
            f"parallel_trial_count must be at most max_trial_count, got {job.parallel_trial_count} and "
            f"{job.max_trial_count}"
        )
    if job.max_failed_trial_count < 0:
        raise invalid(f"max_failed_trial_count must not be negative, got {job.max_failed_trial_count}")


def _check_parameter(parameter: Message, where: str, *, is_grid: bool) -> None:
    wire.only(parameter, PARAMETER_FIELDS, where)
    if not _ID.fullmatch(parameter.parameter_id):
        raise invalid(f"{where}.parameter_id must be set, without white space, got {parameter.parameter_id!r}")
    which = kind(parameter)
    if which is None:
        raise invalid(f"{where} needs a double_value_spec, integer_value_spec or discrete_value_spec")
    spec = getattr(parameter, which)
    wire.only(spec, ("values",) if which == "discrete_value_spec" else ("min_value", "max_value"), f"{where}.{which}")
    if which == "discrete_value_spec":
        _check_values(list(spec.values), f"{where}.{which}.values")
    elif not (math.isfinite(spec.min_value) and math.isfinite(spec.max_value) and spec.min_value <= spec.max_value):
        raise invalid(f"{where}.{which}: min_value must be at most max_value, got {spec.min_value}, {spec.max_value}")
    lowest = spec.values[0] if which == "discrete_value_spec" else spec.min_value
    if parameter.scale_type in {2, 3} and lowest <= 0:
        raise invalid(f"{where}.scale_type: a logarithmic scale needs values above 0, got {lowest}")
    if is_grid and which == "double_value_spec":
        raise invalid(f"{where}: GRID_SEARCH takes integer and discrete parameters, got a double")


def _check_values(found: Sequence[float], where: str) -> None:
    close = any(after - before < _CLOSEST for before, after in itertools.pairwise(found))
    if not 1 <= len(found) <= _MOST_VALUES or close:
        raise invalid(f"{where} must be 1 to {_MOST_VALUES} increasing numbers, got {found[:5]}")


def trial_job(job: Message, trial: str, parameters: Mapping[str, float]) -> Message:
    """The custom job of a trial: its parameters are flags, and its folder is one of its own."""
    made = message_class(f"{TYPES}.custom_job:CustomJob")()
    made.display_name = job.display_name
    made.job_spec.CopyFrom(job.trial_job_spec)
    base = made.job_spec.base_output_directory
    if base.output_uri_prefix:
        base.output_uri_prefix = f"{base.output_uri_prefix.rstrip('/')}/{trial}"
    for pool in made.job_spec.worker_pool_specs:
        pool.container_spec.args.extend(f"--{name}={text(value)}" for name, value in parameters.items())
        pool.container_spec.env.add(name="CLOUD_ML_TRIAL_ID", value=trial)
    scheduling.write_defaults(made.job_spec)
    return made


def text(value: float) -> str:
    """A parameter's value as a flag has it."""
    return str(int(value)) if value == int(value) else repr(value)


def combinations(job: Message) -> int:
    """How many trials there can be: a grid ends when it has been gone through."""
    if algorithm(job.study_spec) != GRID:
        return int(job.max_trial_count)
    sizes = [len(values(parameter)) for parameter in job.study_spec.parameters]
    return min(int(job.max_trial_count), math.prod(sizes))
