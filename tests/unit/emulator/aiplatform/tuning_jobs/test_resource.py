"""The custom job that a trial is, and how many trials there can be."""

import pytest
from google.cloud.aiplatform_v1.types import hyperparameter_tuning_job as kinds

from emulator.aiplatform.methods import Message
from emulator.aiplatform.tuning_jobs.resource import combinations, text, trial_job


def search(algorithm: str = "GRID_SEARCH", *, trials: int = 9) -> Message:
    """Two parameters with three and two values; the trials have a chief and two workers."""
    container = {"image_uri": "i", "args": ["--epochs=3"]}
    return kinds.HyperparameterTuningJob.pb()(
        display_name="search",
        max_trial_count=trials,
        study_spec={
            "algorithm": algorithm,
            "parameters": [
                {"parameter_id": "n", "integer_value_spec": {"min_value": 1, "max_value": 3}},
                {"parameter_id": "v", "discrete_value_spec": {"values": [0.5, 1.5]}},
            ],
        },
        trial_job_spec={
            "worker_pool_specs": [{"replica_count": n, "container_spec": container} for n in (1, 2)],
            "base_output_directory": {"output_uri_prefix": "gs://b/search/"},
        },
    )


def test_a_trial_has_flags_a_number_and_a_folder_in_every_pool() -> None:
    """The flags come after the job's own arguments; the search itself stays as it was."""
    whole = search()
    made = trial_job(whole, "7", {"n": 3.0, "v": 0.5})
    for pool in made.job_spec.worker_pool_specs:
        assert list(pool.container_spec.args) == ["--epochs=3", "--n=3", "--v=0.5"]
        assert {each.name: each.value for each in pool.container_spec.env} == {"CLOUD_ML_TRIAL_ID": "7"}
    assert made.job_spec.base_output_directory.output_uri_prefix == "gs://b/search/7"
    assert whole == search()


@pytest.mark.parametrize(("value", "written"), [(3.0, "3"), (0.1, "0.1"), (1e-05, "1e-05"), (-2.0, "-2")])
def test_a_value_is_written_so_that_it_can_be_read_back(value: float, written: str) -> None:
    """Whole numbers as such."""
    assert text(value) == written
    assert float(written) == value


@pytest.mark.parametrize(
    ("algorithm", "trials", "count"), [("GRID_SEARCH", 9, 6), ("GRID_SEARCH", 4, 4), ("RANDOM_SEARCH", 9, 9)]
)
def test_a_grid_ends_when_it_has_been_gone_through(algorithm: str, trials: int, count: int) -> None:
    """3 x 2 combinations; a random search goes on."""
    assert combinations(search(algorithm, trials=trials)) == count
