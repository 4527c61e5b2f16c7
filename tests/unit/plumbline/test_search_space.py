"""From hyperparameters to a training, and what a space may not hold."""

import dataclasses
from collections.abc import Mapping

import pytest

from plumbline.problem import Network, Training
from plumbline.search_space import trial_training, with_parameters, wrong
from plumbline.tuning import Parameter, Tunable, Tuning

TRAINING = Training(epochs=20, network=Network(hidden=(128, 64), dropout=0.2, embedding=8))


@pytest.mark.parametrize(
    ("parameters", "hidden"),
    [
        ({"width": 32.0, "layers": 3.0}, (32, 32, 32)),
        ({"width": 32.0}, (32, 32)),
        ({"layers": 1.0}, (128,)),
        ({"dropout": 0.1}, (128, 64)),
    ],
)
def test_width_and_layers_shape_the_network(parameters: Mapping[Tunable, float], hidden: tuple[int, ...]) -> None:
    """The one that is not searched stays; a network whose shape is not searched keeps layers of different widths."""
    assert with_parameters(TRAINING, parameters).network.hidden == hidden


def test_what_is_not_searched_stays() -> None:
    """Whole numbers are whole again, however they have travelled."""
    found = with_parameters(TRAINING, {"batch_size": 255.6, "embedding": 4.0, "learning_rate": 0.01})
    expected = dataclasses.replace(
        TRAINING, batch_size=256, learning_rate=0.01, network=dataclasses.replace(TRAINING.network, embedding=4)
    )
    assert found == expected


def searched(parameters: Mapping[Tunable, Parameter], **more: object) -> Training:
    """The training with a search."""
    return dataclasses.replace(TRAINING, tuning=Tuning(parameters=parameters, **more))  # type: ignore[arg-type] # settings of any type


def test_a_trial_has_its_own_epochs_and_no_search() -> None:
    """Or as many epochs as the training."""
    for epochs, wanted in ((5, 5), (None, 20)):
        training = searched({"dropout": Parameter(values=(0.1,))}, epochs=epochs)
        assert training.tuning is not None
        assert trial_training(training, training.tuning) == dataclasses.replace(TRAINING, epochs=wanted)


@pytest.mark.parametrize(
    ("name", "parameter", "told"),
    [
        ("dropout", Parameter(minimum=0.0, maximum=1.0), "dropout cannot be 1: Input should be less than 1"),
        ("batch_size", Parameter(minimum=0.0, maximum=8.0), "batch_size cannot be 0"),
        ("layers", Parameter(values=(0.0, 1.0)), "layers cannot be 0"),
        ("learning_rate", Parameter(values=(-0.1, 0.1)), "learning_rate cannot be -0.1"),
        ("width", Parameter(minimum=1.5, maximum=8.0), "width is a whole number, and cannot be 1.5"),
    ],
)
def test_what_a_training_cannot_have_is_told(name: Tunable, parameter: Parameter, told: str) -> None:
    """With the value that is wrong, and why."""
    [(where, problem)] = wrong(searched({name: parameter}))
    assert where == name
    assert told in problem


def test_a_grid_takes_lists_and_whole_numbers() -> None:
    """A range of real numbers has no grid."""
    space: dict[Tunable, Parameter] = {
        "dropout": Parameter(values=(0.1, 0.2)),
        "layers": Parameter(minimum=1, maximum=3),
        "learning_rate": Parameter(minimum=0.001, maximum=0.1, scale="log"),
    }
    assert list(wrong(searched(space, algorithm="grid"))) == [
        ("learning_rate", "a grid needs values of learning_rate, not a range")
    ]
    assert not list(wrong(searched(space)))
    assert not list(wrong(TRAINING))
