"""What a request asks for, and what it is answered: values in, values out. `serving.server` is the HTTP around it.

Source of the form of requests and answers: Vertex AI, "Custom container requirements for inference".
"""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias, cast, get_args

import numpy as np
import numpy.typing as npt

from plumbline.attribution import Floats, sampled_shapley
from plumbline.background import USED
from plumbline.errors import DataError
from plumbline.features import Arrays, Features, from_instances, shown

MAXIMUM_INSTANCES = 10_000
MAXIMUM_EXPLAINED = 100
"""Instances of a request with reasons: each costs some hundred scores."""
PERMUTATIONS = USED
"""Random orders of the columns, one a background row, and as many reverse ones."""
TOP = 3
Method: TypeAlias = Literal["shapley", "integrated_gradients"]
_METHODS: Sequence[Method] = get_args(Method)
_SEED = 7
_KEYS, _PARAMETERS = {"instances", "parameters"}, {"explain", "method", "top"}
_TOLD = 10
"""Wrong instances that a message names."""

Prediction = Mapping[str, object]


class Model(Protocol):
    """What is served: from raw columns, arrays of shape (n,), to probabilities, shape (n,)."""

    def score(self, arrays: Arrays) -> npt.NDArray[np.float64]:
        """The probability of the positive class of each row."""
        ...


@dataclass(frozen=True, slots=True)
class Served:
    """A model with what it takes to ask it."""

    model: Model
    features: Features
    threshold: float
    """A score above it is a positive decision."""
    background: Arrays | None = None
    """Rows that stand for what is usual, where scores can be explained."""
    version: str = "unversioned"
    """Of the model, the same on every replica."""
    gradients: Callable[[Arrays], Floats] | None = None
    """Integrated gradients of rows, shape (n, c), where the model has them."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request asks for."""

    instances: Sequence[Mapping[str, object]]
    explain: bool = False
    top: int = TOP
    """Reasons of each instance, the weightiest first."""
    method: Method = "shapley"


def parse(body: bytes) -> Asked:
    """What a request asks for.

    Raises:
        DataError: It has none, too many, or is none.
    """
    try:
        content = _DECODER.decode(body.decode())
    except (ValueError, RecursionError) as error:
        raise DataError(f"the request is not JSON: {error}") from error
    instances = content.get("instances") if isinstance(content, dict) else None
    if not isinstance(instances, list) or not instances:
        raise DataError('wanted {"instances": [{...}, ...]} with at least one instance')
    if extra := sorted(set(content) - _KEYS):
        raise DataError(f"unknown {shown(extra)} beside the instances; a request has {sorted(_KEYS)}")
    if len(instances) > MAXIMUM_INSTANCES:
        raise DataError(f"a request may have {MAXIMUM_INSTANCES:,} instances, got {len(instances):,}")
    wrong = [position for position, instance in enumerate(instances) if not isinstance(instance, dict)]
    if wrong:
        told = [f"instance {i} must be an object with a key a column, got {shown(instances[i])}" for i in wrong[:_TOLD]]
        more = f"; {len(wrong) - _TOLD} more instances are wrong" if len(wrong) > _TOLD else ""
        raise DataError("; ".join(told) + more)
    parameters = content.get("parameters")
    return _asked(instances, {} if parameters is None else parameters)


def _asked(instances: Sequence[Mapping[str, object]], parameters: object) -> Asked:
    """The instances with the request's parameters.

    Raises:
        DataError: A parameter is not known or is not what it should be, or there are too many instances to explain.
    """
    if not isinstance(parameters, dict) or set(parameters) - _PARAMETERS:
        raise DataError(f"parameters must be an object with {sorted(_PARAMETERS)} at most, got {shown(parameters)}")
    explain, top = parameters.get("explain", False), parameters.get("top", TOP)
    method = parameters.get("method", _METHODS[0])
    if not isinstance(explain, bool):
        raise DataError(f"parameters.explain must be true or false, got {shown(explain)}")
    if method not in _METHODS:
        raise DataError(f"parameters.method must be one of {list(_METHODS)}, got {shown(method)}")
    if explain and len(instances) > MAXIMUM_EXPLAINED:
        raise DataError(f"a request with explain may have {MAXIMUM_EXPLAINED} instances, got {len(instances):,}")
    return Asked(instances, explain, _whole(top), cast("Method", method))


def _whole(top: object) -> int:
    """How many reasons. Numbers of a protobuf Struct, which Vertex AI hands on, come as floats."""
    is_number = isinstance(top, int | float) and not isinstance(top, bool) and math.isfinite(top)
    if not is_number or top != int(cast("float", top)) or cast("float", top) < 1:
        raise DataError(f"parameters.top must be a whole number of at least 1, got {shown(top)}")
    return int(cast("float", top))


def answer(served: Served, asked: Asked) -> Sequence[Prediction]:
    """A prediction an instance, all in one.

    Raises:
        DataError: An instance is wrong, or this model cannot be explained.
    """
    arrays = from_instances(asked.instances, served.features)
    return predictions(served, asked, arrays, served.model.score(arrays))


def predictions(served: Served, asked: Asked, arrays: Arrays, scores: npt.NDArray[np.float64]) -> Sequence[Prediction]:
    """Of each of n instances the score, the decision at the threshold, the version, and reasons where asked for.

    Args:
        served: The model.
        asked: The request.
        arrays: Its instances, each column of shape (n,).
        scores: Of the instances, shape (n,).

    Raises:
        DataError: This model cannot be explained.
    """
    bare: Sequence[Prediction] = [
        {"score": score, "decision": score > served.threshold, "version": served.version} for score in scores.tolist()
    ]
    if not asked.explain:
        return bare
    told = reasons(served, asked, arrays)
    return [{**prediction, "reasons": each} for prediction, each in zip(bare, told, strict=True)]


def reasons(served: Served, asked: Asked, arrays: Arrays) -> Sequence[Sequence[Mapping[str, object]]]:
    """The columns that moved each score most, with their values and by how much, in log-odds.

    Raises:
        DataError: This model has no background rows, or none of the gradients that were asked for.
    """
    values = attributions(served, asked.method, arrays)
    names = tuple(arrays)
    order = np.argsort(-np.abs(values), axis=1, kind="stable")[:, : asked.top]
    return [
        [
            {"feature": names[place], "value": instance.get(names[place]), "attribution": float(values[row, place])}
            for place in order[row]
        ]
        for row, instance in enumerate(asked.instances)
    ]


def attributions(served: Served, method: Method, arrays: Arrays) -> Floats:
    """The attributions (n, c) of rows, by column.

    Raises:
        DataError: This model cannot give them.
    """
    if method == "integrated_gradients":
        if served.gradients is None:
            raise DataError("this model has no integrated gradients: it was trained before models had them")
        return served.gradients(arrays)
    if served.background is None:
        raise DataError("this model cannot be explained: it was trained before models had background rows")
    shapley = sampled_shapley(served.model.score, arrays, served.background, permutations=PERMUTATIONS, seed=_SEED)
    return shapley.values


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is not JSON; leave a missing value out")


def _once(pairs: Sequence[tuple[str, object]]) -> Mapping[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the key {shown(next(name for name in names if names.count(name) > 1))} comes twice")
    return found


_DECODER = json.JSONDecoder(parse_constant=_refuse, object_pairs_hook=_once)
"""Made once: `json.loads` would make one for each request."""
