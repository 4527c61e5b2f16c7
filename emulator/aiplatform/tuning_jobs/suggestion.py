"""Which parameters the next trial has.

GRID_SEARCH goes through all combinations, RANDOM_SEARCH draws each parameter evenly on its scale. Where no algorithm is
named, Vertex AI uses Bayesian optimisation (Vizier), which is not public; here a third of the trials is drawn at
random, and each of the others near one of the best so far, nearer the more trials there were. A job of the same name
and space draws the same.
"""

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from emulator.aiplatform.methods import Message

GRID, RANDOM, BAYESIAN = "GRID_SEARCH", "RANDOM_SEARCH", "ALGORITHM_UNSPECIFIED"
_LOG, _REVERSE_LOG = 2, 3
"""ScaleType of study.proto."""
_KINDS = ("double_value_spec", "integer_value_spec", "discrete_value_spec")
_BEST = 0.25
"""Share of the trials that others are drawn near."""
_WIDTH = 0.3
"""Standard deviation of the first such draws, on a scale from 0 to 1."""


@dataclass(frozen=True, slots=True)
class Tried:
    """A trial that has ended."""

    parameters: Mapping[str, float]
    goodness: float
    """Its metric, with the sign by which larger is better."""


def algorithm(study: Message) -> str:
    """The name of the study's algorithm."""
    names = study.DESCRIPTOR.fields_by_name["algorithm"].enum_type.values_by_number
    return str(names[study.algorithm].name)


def kind(parameter: Message) -> str | None:
    """Which field holds the values of a parameter; None where none does."""
    return next((name for name in _KINDS if parameter.HasField(name)), None)


def values(parameter: Message) -> Sequence[float]:
    """All values of a parameter that is no double."""
    if kind(parameter) == "discrete_value_spec":
        return list(parameter.discrete_value_spec.values)
    spec = parameter.integer_value_spec
    return [float(value) for value in range(spec.min_value, spec.max_value + 1)]


def suggest(study: Message, number: int, tried: Sequence[Tried], *, seed: str) -> Mapping[str, float]:
    """The parameters of a trial.

    Args:
        study: The space.
        number: Of the trial, from 0.
        tried: The trials that have ended.
        seed: Of the draws.
    """
    if algorithm(study) == GRID:
        return _grid(study.parameters, number)
    draw = random.Random(f"{seed} {number}")  # noqa: S311 - to be the same each time, and not secret
    explores = algorithm(study) == RANDOM or not tried or number % 3 == 0
    near = None if explores else draw.choice(_best(tried))
    width = _WIDTH / math.sqrt(1 + len(tried))
    found = {}
    for parameter in study.parameters:
        name = parameter.parameter_id
        place = draw.random() if near is None else _place(parameter, near.parameters[name]) + draw.gauss(0, width)
        found[name] = _value(parameter, min(1.0, max(0.0, place)))
    return found


def _best(tried: Sequence[Tried]) -> Sequence[Tried]:
    ranked = sorted(tried, key=lambda trial: -trial.goodness)
    return ranked[: max(1, round(len(ranked) * _BEST))]


def _grid(parameters: Sequence[Message], number: int) -> Mapping[str, float]:
    found = {}
    for parameter in parameters:
        number, place = divmod(number, len(values(parameter)))
        found[parameter.parameter_id] = values(parameter)[place]
    return found


def _ends(parameter: Message) -> tuple[float, float]:
    spec = getattr(parameter, str(kind(parameter)))
    return (spec.values[0], spec.values[-1]) if hasattr(spec, "values") else (spec.min_value, spec.max_value)


def _value(parameter: Message, place: float) -> float:
    """The value at a place between 0 and 1 on the parameter's scale."""
    if kind(parameter) == "discrete_value_spec":
        found = values(parameter)
        return float(found[min(len(found) - 1, int(place * len(found)))])
    low, high = _ends(parameter)
    if parameter.scale_type == _LOG:
        value = math.exp(math.log(low) + place * (math.log(high) - math.log(low)))
    elif parameter.scale_type == _REVERSE_LOG:
        value = low + high - math.exp(math.log(high) + place * (math.log(low) - math.log(high)))
    else:
        value = low + place * (high - low)
    value = min(high, max(low, value))
    return float(round(value)) if kind(parameter) == "integer_value_spec" else value


def _place(parameter: Message, value: float) -> float:
    """Where a value is on the parameter's scale, from 0 to 1."""
    if kind(parameter) == "discrete_value_spec":
        found = values(parameter)
        return (found.index(value) + 0.5) / len(found)
    low, high = _ends(parameter)
    if low == high:
        return 0.0
    if parameter.scale_type == _LOG:
        return (math.log(value) - math.log(low)) / (math.log(high) - math.log(low))
    if parameter.scale_type == _REVERSE_LOG:
        return (math.log(low + high - value) - math.log(high)) / (math.log(low) - math.log(high))
    return (value - low) / (high - low)
