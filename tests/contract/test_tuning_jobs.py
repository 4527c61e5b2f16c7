"""Hyperparameter tuning jobs: trials side by side, each with its flags, stopped early, and the best one told."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
import requests
from google.cloud import aiplatform_v1 as v1

from tests.contract import vertex as vx
from tests.contract.conftest import Emulator
from tests.contract.vertex import CONFLICT, INVALID, MISSING, PARENT, UNIMPLEMENTED, Vertex, refused
from tests.waiting import soon

STATE = v1.JobState
ENDED = {STATE.JOB_STATE_SUCCEEDED, STATE.JOB_STATE_FAILED, STATE.JOB_STATE_CANCELLED}
METRIC = v1.StudySpec.MetricSpec(metric_id="score", goal=v1.StudySpec.MetricSpec.GoalType.MAXIMIZE)
TELL = """
import json, os, sys
given = dict(word[2:].split("=") for word in sys.argv[2:])
path = os.environ["CLOUD_ML_HP_METRIC_FILE"]
with open(path, "w") as file:
    for step in (1, 2, 3):
        value = float(given["x"]) * (1 if step < 3 else 0.5)
        file.write(json.dumps({"score": str(value), "global_step": str(step), "trial": "1"}) + "\\n")
told = {name: os.environ.get(name) for name in ("CLOUD_ML_TRIAL_ID", "AIP_MODEL_DIR")}
json.dump({**told, **given}, open(f"{sys.argv[1]}/{told['CLOUD_ML_TRIAL_ID']}", "w"))
"""
"""Reports the flag x three times, the last time half of it, and tells what it was started with."""


@pytest.fixture(scope="module")
def vertex(emulator: Emulator) -> Vertex:
    """Clients of the shared emulator."""
    return vx.connect(emulator)


def integers(name: str, low: int, high: int) -> v1.StudySpec.ParameterSpec:
    """Whole numbers."""
    return v1.StudySpec.ParameterSpec(
        parameter_id=name, integer_value_spec=v1.StudySpec.ParameterSpec.IntegerValueSpec(min_value=low, max_value=high)
    )


def reals(name: str, low: float, high: float, scale: int = 1) -> v1.StudySpec.ParameterSpec:
    """Numbers of a range."""
    spec = v1.StudySpec.ParameterSpec.DoubleValueSpec(min_value=low, max_value=high)
    return v1.StudySpec.ParameterSpec(parameter_id=name, double_value_spec=spec, scale_type=scale)


def values(name: str, *found: float) -> v1.StudySpec.ParameterSpec:
    """Some numbers."""
    return v1.StudySpec.ParameterSpec(
        parameter_id=name, discrete_value_spec=v1.StudySpec.ParameterSpec.DiscreteValueSpec(values=found)
    )


def job(
    code: str,
    *arguments: str,
    parameters: Sequence[v1.StudySpec.ParameterSpec],
    trials: int = 3,
    parallel: int = 1,
    **study: object,
) -> v1.HyperparameterTuningJob:
    """A search whose trials run a piece of Python."""
    command = ["python", "-S", "-c", code]
    container = v1.ContainerSpec(image_uri=vx.IMAGE, command=command, args=list(arguments))
    pool = v1.WorkerPoolSpec(
        machine_spec=v1.MachineSpec(machine_type="n1-standard-4"), replica_count=1, container_spec=container
    )
    return v1.HyperparameterTuningJob(
        display_name="search",
        study_spec=v1.StudySpec(metrics=[METRIC], parameters=list(parameters), **study),
        max_trial_count=trials,
        parallel_trial_count=parallel,
        trial_job_spec=v1.CustomJobSpec(
            worker_pool_specs=[pool], base_output_directory=v1.GcsDestination(output_uri_prefix="gs://b/search")
        ),
    )


def submit(vertex: Vertex, wanted: v1.HyperparameterTuningJob) -> str:
    """Starts a job; gives its name."""
    return str(vertex.jobs.create_hyperparameter_tuning_job(parent=PARENT, hyperparameter_tuning_job=wanted).name)


def look(vertex: Vertex, name: str) -> v1.HyperparameterTuningJob:
    """The job as it stands."""
    return vertex.jobs.get_hyperparameter_tuning_job(name=name)


def end(vertex: Vertex, wanted: v1.HyperparameterTuningJob) -> v1.HyperparameterTuningJob:
    """The job once it has ended."""
    name = submit(vertex, wanted)
    assert soon(lambda: look(vertex, name).state in ENDED, within_s=30)
    return look(vertex, name)


def test_a_grid_is_gone_through_with_flags_and_folders(vertex: Vertex, tmp_path: Path) -> None:
    """Each combination once, although more trials are allowed; each trial has its id and folder."""
    space = [integers("x", 1, 2), values("y", 0.5, 1.5)]
    grid = v1.StudySpec.Algorithm.GRID_SEARCH
    ended = end(vertex, job(TELL, str(tmp_path), parameters=space, trials=9, parallel=2, algorithm=grid))
    assert ended.state == STATE.JOB_STATE_SUCCEEDED, ended.error
    told = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(tmp_path.iterdir())]
    assert sorted((each["x"], each["y"]) for each in told) == [("1", "0.5"), ("1", "1.5"), ("2", "0.5"), ("2", "1.5")]
    assert [each["CLOUD_ML_TRIAL_ID"] for each in told] == ["1", "2", "3", "4"]
    assert told[1]["AIP_MODEL_DIR"] == "gs://b/search/2/model/"


@pytest.mark.parametrize(("selection", "share"), [("LAST_MEASUREMENT", 0.5), ("BEST_MEASUREMENT", 1.0)])
def test_what_a_trial_reports_is_kept(vertex: Vertex, tmp_path: Path, selection: str, share: float) -> None:
    """Every measurement with its step; the final one is the last or the best."""
    which = v1.StudySpec.MeasurementSelectionType[selection]
    ended = end(
        vertex, job(TELL, str(tmp_path), parameters=[integers("x", 4, 4)], trials=1, measurement_selection_type=which)
    )
    (trial,) = ended.trials
    assert [(each.step_count, each.metrics[0].value) for each in trial.measurements] == [(1, 4.0), (2, 4.0), (3, 2.0)]
    assert trial.final_measurement.metrics[0].value == 4 * share
    assert trial.state == v1.Trial.State.SUCCEEDED


@pytest.mark.parametrize("algorithm", ["RANDOM_SEARCH", "ALGORITHM_UNSPECIFIED"])
def test_draws_stay_in_the_space_and_are_the_same_each_time(vertex: Vertex, tmp_path: Path, algorithm: str) -> None:
    """On both scales; one trial after the other, so that each knows those before it."""
    space = [reals("x", 0.001, 10.0, scale=2), integers("y", 2, 5), values("z", 1, 10, 100)]
    which = v1.StudySpec.Algorithm[algorithm]
    found = [
        [
            {each.parameter_id: float(each.value) for each in trial.parameters}
            for trial in end(vertex, job(TELL, str(tmp_path), parameters=space, trials=6, algorithm=which)).trials
        ]
        for _ in range(2)
    ]
    assert found[0] == found[1]
    for drawn in found[0]:
        assert 0.001 <= drawn["x"] <= 10.0
        assert drawn["y"] in {2, 3, 4, 5}
        assert drawn["z"] in {1, 10, 100}
    assert len({drawn["x"] for drawn in found[0]}) == 6


MEET = """
import os, sys, time
folder, count = sys.argv[1], 2
open(f"{folder}/{os.environ['CLOUD_ML_TRIAL_ID']}", "w").close()
deadline = time.monotonic() + 20
while len(os.listdir(folder)) < count and time.monotonic() < deadline:
    time.sleep(0.02)
met = len(os.listdir(folder)) >= count
open(os.environ["CLOUD_ML_HP_METRIC_FILE"], "w").write('{"score": "%d", "global_step": "1"}\\n' % met)
"""


def test_trials_run_side_by_side(vertex: Vertex, tmp_path: Path) -> None:
    """Each of the first two waits for the other, and both see it."""
    ended = end(vertex, job(MEET, str(tmp_path), parameters=[integers("x", 1, 9)], trials=2, parallel=2))
    assert [trial.final_measurement.metrics[0].value for trial in ended.trials] == [1.0, 1.0]


SLOW = """
import json, os, sys, time
given = dict(word[2:].split("=") for word in sys.argv[1:])
good = float(given["x"]) > 1
with open(os.environ["CLOUD_ML_HP_METRIC_FILE"], "w") as file:
    for step in range(1, 4):
        if not good:
            time.sleep(2 if step == 1 else 60)
        file.write(json.dumps({"score": given["x"], "global_step": str(step)}) + "\\n")
        file.flush()
"""
"""A good trial is done at once; a bad one reports when the good one has ended, and then takes minutes."""


def test_a_hopeless_trial_is_stopped_early(vertex: Vertex) -> None:
    """It is below the median of what the others had on average by then, and does not go to its end."""
    grid, stop = v1.StudySpec.Algorithm.GRID_SEARCH, v1.StudySpec.MedianAutomatedStoppingSpec()
    space = [values("x", 0.5, 3)]
    ended = end(
        vertex,
        job(SLOW, parameters=space, trials=2, parallel=2, algorithm=grid, median_automated_stopping_spec=stop),
    )
    assert ended.state == STATE.JOB_STATE_SUCCEEDED
    assert {float(t.parameters[0].value): len(t.measurements) for t in ended.trials} == {0.5: 1, 3.0: 3}


def test_a_search_fails_with_the_first_error(vertex: Vertex) -> None:
    """All trials fail: so does the job, and a trial says why."""
    ended = end(vertex, job("raise SystemExit('no memory')", parameters=[integers("x", 1, 9)], trials=2))
    assert ended.state == STATE.JOB_STATE_FAILED
    assert "2 of 2 trials have failed" in ended.error.message
    assert "no memory" in ended.error.message
    assert {trial.state for trial in ended.trials} == {v1.Trial.State.INFEASIBLE}
    assert "no memory" in ended.trials[0].infeasible_reason


def test_a_trial_that_reports_nothing_has_failed(vertex: Vertex) -> None:
    """A misspelt metric would otherwise be a search without a result."""
    ended = end(vertex, job("pass", parameters=[integers("x", 1, 9)], trials=1))
    assert "has reported no score" in ended.trials[0].infeasible_reason


def test_too_many_failures_end_the_search(vertex: Vertex) -> None:
    """The rest is not started."""
    wanted = job("raise SystemExit(1)", parameters=[integers("x", 1, 9)], trials=8)
    wanted.max_failed_trial_count = 2
    ended = end(vertex, wanted)
    assert ended.state == STATE.JOB_STATE_FAILED
    assert len(ended.trials) == 2
    assert "2 of 2 trials have failed" in ended.error.message


def test_one_trial_that_fails_is_not_the_search_s_end(vertex: Vertex, tmp_path: Path) -> None:
    """It is infeasible; the others decide."""
    code = f"import sys\nif '--x=1' in sys.argv: sys.exit('no memory')\n{TELL}"
    grid = v1.StudySpec.Algorithm.GRID_SEARCH
    ended = end(vertex, job(code, str(tmp_path), parameters=[integers("x", 1, 3)], algorithm=grid))
    assert ended.state == STATE.JOB_STATE_SUCCEEDED
    states = v1.Trial.State
    assert [trial.state for trial in ended.trials] == [states.INFEASIBLE, states.SUCCEEDED, states.SUCCEEDED]


def test_a_cancelled_search_leaves_nothing_running(vertex: Vertex) -> None:
    """Its trials end with it, and it can be deleted then, not before."""
    name = submit(vertex, job("import time; time.sleep(60)", parameters=[integers("x", 1, 9)], parallel=2))
    assert soon(lambda: len(look(vertex, name).trials) == 2, within_s=20)
    refused(CONFLICT, "still runs", lambda: vertex.jobs.delete_hyperparameter_tuning_job(name=name).result())
    vertex.jobs.cancel_hyperparameter_tuning_job(name=name)
    assert soon(lambda: look(vertex, name).state == STATE.JOB_STATE_CANCELLED, within_s=20)
    listed = [each.name for each in vertex.jobs.list_hyperparameter_tuning_jobs(parent=PARENT)]
    assert name in listed
    vertex.jobs.delete_hyperparameter_tuning_job(name=name).result()
    refused(MISSING, name, lambda: look(vertex, name))


def wrong(**changes: object) -> v1.HyperparameterTuningJob:
    """A sound search with some fields changed."""
    made = job("pass", parameters=[integers("x", 1, 9)])
    for name, value in changes.items():
        target = made.study_spec if name in {"metrics", "parameters", "algorithm", "observation_noise"} else made
        setattr(target, name, value)
    return made


GRID = v1.StudySpec.Algorithm.GRID_SEARCH


@pytest.mark.parametrize("where", ["studySpec", "trialJobSpec", ""])
def test_a_misspelt_field_is_refused(vertex: Vertex, where: str) -> None:
    """Wherever it is; Google's client could not even write it."""
    sent = json.loads(v1.HyperparameterTuningJob.to_json(wrong(), use_integers_for_enums=False))
    (sent[where] if where else sent)["parralel"] = 2
    answer = requests.post(f"{vertex.url}/v1/{PARENT}/hyperparameterTuningJobs", json=sent, timeout=10)
    assert answer.status_code == 400
    assert "parralel" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("wanted", "code", "message"),
    [
        (wrong(max_trial_count=0), INVALID, "max_trial_count must be at least 1"),
        (wrong(parallel_trial_count=4), INVALID, "at most max_trial_count"),
        (wrong(display_name=""), INVALID, "display_name"),
        (wrong(metrics=[]), INVALID, "exactly one entry"),
        (wrong(metrics=[v1.StudySpec.MetricSpec(metric_id="a b", goal=1)]), INVALID, "white space"),
        (wrong(metrics=[v1.StudySpec.MetricSpec(metric_id="a")]), INVALID, "goal is required"),
        (wrong(parameters=[]), INVALID, "must not be empty"),
        (wrong(parameters=[integers("x", 1, 2), integers("x", 1, 2)]), INVALID, "differ in their ids"),
        (wrong(parameters=[integers("x", 2, 1)]), INVALID, "min_value must be at most"),
        (wrong(parameters=[reals("x", 0, 1, scale=2)]), INVALID, "logarithmic scale"),
        (wrong(parameters=[values("x", 2, 1)]), INVALID, "increasing numbers"),
        (wrong(parameters=[v1.StudySpec.ParameterSpec(parameter_id="x")]), INVALID, "needs a double_value_spec"),
        (wrong(parameters=[reals("x", 0, 1)], algorithm=GRID), INVALID, "GRID_SEARCH takes"),
        (wrong(observation_noise=1), UNIMPLEMENTED, "study_spec.observation_noise"),
    ],
)
def test_what_vertex_refuses_is_refused(
    vertex: Vertex, wanted: v1.HyperparameterTuningJob, code: str, message: str
) -> None:
    """With the field's name; nothing is started."""
    refused(code, message, lambda: submit(vertex, wanted))
