"""From a space of hyperparameters to a training, and back to what is wrong with the space."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from pydantic import ValidationError

from plumbline.problem import Training
from plumbline.tuning import WHOLE, Parameter, Tunable, Tuning


def with_parameters(training: Training, parameters: Mapping[Tunable, float]) -> Training:
    """The training with other hyperparameters; `width` is that of every hidden layer, `layers` their number.

    Raises:
        ValueError: A training cannot have such a value.
    """
    network = training.network
    given = {name: round(value) if name in WHOLE else value for name, value in parameters.items()}
    width, layers = given.get("width", network.hidden[0]), given.get("layers", len(network.hidden))
    reshaped = "width" in given or "layers" in given
    return replace(
        training,
        learning_rate=given.get("learning_rate", training.learning_rate),
        batch_size=int(given.get("batch_size", training.batch_size)),
        network=replace(
            network,
            hidden=(int(width),) * int(layers) if reshaped else network.hidden,
            dropout=given.get("dropout", network.dropout),
            embedding=int(given.get("embedding", network.embedding)),
        ),
    )


def trial_training(training: Training, tuning: Tuning) -> Training:
    """What each trial starts from: the training without its search, and as many epochs as a trial has."""
    return replace(training, tuning=None, epochs=tuning.epochs or training.epochs)


def wrong(training: Training) -> Iterator[tuple[Tunable, str]]:
    """Each hyperparameter of the search that a training cannot have at an end of its range, and why."""
    if training.tuning is None:
        return
    for name, parameter in training.tuning.parameters.items():
        for value in _ends(parameter):
            if name in WHOLE and value != round(value):
                yield name, f"{name} is a whole number, and cannot be {value:g}"
                continue
            try:
                with_parameters(training, {name: value})
            except (ValidationError, ValueError) as error:
                told = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
                yield name, f"{name} cannot be {value:g}: {told}"
        if training.tuning.algorithm == "grid" and not parameter.values and name not in WHOLE:
            yield name, f"a grid needs values of {name}, not a range"


def _ends(parameter: Parameter) -> tuple[float, ...]:
    return parameter.values or tuple(end for end in (parameter.minimum, parameter.maximum) if end is not None)
