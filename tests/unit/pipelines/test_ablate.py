"""What an ablation is refused for before anything is asked or started."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from pipelines.ablate import ablate
from pipelines.session import Session
from plumbline.adapters.clients import Clients
from plumbline.config import load_environment, load_problem
from plumbline.environment import Environment, place
from plumbline.errors import PlumblineError
from plumbline.hardware import Hardware

CONFIGS = Path(__file__).parents[3] / "configs"


def environment(limit: float | None) -> Environment:
    """The example's environment on Google Cloud, with its prices."""
    return replace(load_environment(CONFIGS / "env" / "dev.yaml", project="my-project"), max_run_cost=limit)


def session(env: Environment, said: list[str]) -> Session:
    """The flights, on hardware that is a hundredth of an hour at most; whoever asks Google gets no answer."""
    loaded = load_problem(CONFIGS / "flights.yaml")
    training = replace(loaded.config.training, hardware=Hardware(machine_type="n1-standard-8", timeout_s=36))
    loaded = replace(loaded, config=replace(loaded.config, training=training))
    nowhere = {"AIPLATFORM_EMULATOR_HOST": "http://127.0.0.1:9"}
    return Session(loaded, env, Clients(place(env), nowhere), Path("unused"), said.append)


def no_images() -> Mapping[str, str]:
    """Nothing is built for what is refused."""
    raise AssertionError("images were asked for")


def test_an_ablation_that_may_cost_too_much_is_refused() -> None:
    """Five groups and all together, three times: 18 trainings of 0.01 h at 0.4369977 are 0.0787."""
    said: list[str] = []
    with pytest.raises(PlumblineError, match=r"18 trainings of up to 36 s each: at most 0\.08 .*max_run_cost is 0\.05"):
        ablate(session(environment(0.05), said), seeds=3, images=no_images)
    assert not said


def test_without_a_price_a_limit_cannot_be_kept() -> None:
    """What nobody can price is not started."""
    known = environment(100.0)
    assert known.prices is not None
    unpriced = replace(known, prices=replace(known.prices, training_hour={}))
    with pytest.raises(PlumblineError, match="nobody can say what they cost"):
        ablate(session(unpriced, []), seeds=1, images=no_images)


def test_no_seeds_are_refused() -> None:
    """Nothing would be trained."""
    with pytest.raises(PlumblineError, match="at least 1 seed, got 0"):
        ablate(session(environment(None), []), seeds=0, images=no_images)


def test_one_group_has_nothing_to_leave_out() -> None:
    """A training without features is none."""
    asked = session(environment(None), [])
    data = asked.loaded.config.data
    one = {name: column for name, column in data.features.items() if column.group == "weather"}
    loaded = replace(asked.loaded, config=replace(asked.loaded.config, data=replace(data, features=one)))
    with pytest.raises(PlumblineError, match=r"nothing to leave out: .*weather"):
        ablate(replace(asked, loaded=loaded), seeds=1, images=no_images)
