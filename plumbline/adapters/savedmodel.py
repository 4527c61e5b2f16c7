"""A TensorFlow SavedModel as a function from raw columns to scores."""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from plumbline.attribution import ATTRIBUTIONS
from plumbline.errors import ModelError
from plumbline.features import Arrays, Features, columns
from plumbline.problem import ColumnType
from plumbline.signature import Signature, read_signature

_BATCH = 16_384
_TENSORS: Mapping[ColumnType, str] = {
    "numeric": "float32",
    "boolean": "float32",
    "categorical": "string",
    "timestamp": "int64",
}


@dataclass(frozen=True, slots=True)
class Scorer:
    """A loaded model."""

    signature: Signature
    _serve: Any
    """TensorFlow's own callable, which has no type: takes what `_groups` says, each group as one tensor."""
    _attribute: Any = None
    """Another one, of a model that can explain its scores by itself: takes each raw column."""

    def score(self, arrays: Arrays, *, first: int = 0) -> npt.NDArray[np.float64]:
        """The probability of the positive class of each row, shape (n,).

        Args:
            arrays: One array of shape (n,) a raw column, as `plumbline.features` makes them.
            first: The number of the first row, for messages.

        Raises:
            ModelError: A score is no probability.
        """
        count = len(next(iter(arrays.values())))
        parts = [self._batch(arrays, start) for start in range(0, count, _BATCH)]
        scores = np.concatenate(parts).astype(np.float64) if parts else np.zeros(0)
        if not np.isfinite(scores).all():
            raise ModelError(f"row {first + int(np.argmin(np.isfinite(scores)))} gets a score that is no number")
        if (outside := np.flatnonzero((scores < 0) | (scores > 1))).size:
            raise ModelError(f"row {first + outside[0]} gets the score {scores[outside[0]]:g}, which is no probability")
        return scores

    @property
    def has_gradients(self) -> bool:
        """Whether there are integrated gradients."""
        return self._attribute is not None

    def gradients(self, arrays: Arrays) -> npt.NDArray[np.float64]:
        """Integrated gradients of the log-odds of each row's score, shape (n, c), by raw column in the order of those.

        Args:
            arrays: As for `score`; some hundred rows at most, since each is scored some hundred times at once.

        Raises:
            ModelError: This model has none: it was made before models had them, or by somebody else.
        """
        import tensorflow as tf  # noqa: PLC0415 - as below

        if self._attribute is None:
            raise ModelError("this model has no integrated gradients: train it anew, or take sampled Shapley values")
        inputs = {name: tf.constant(v.tolist() if v.dtype == object else v) for name, v in arrays.items()}
        found: npt.NDArray[np.float32] = self._attribute(**inputs)[ATTRIBUTIONS].numpy()
        return found.astype(np.float64)

    def _batch(self, arrays: Arrays, start: int) -> npt.NDArray[np.float32]:
        import tensorflow as tf  # noqa: PLC0415 - takes seconds, so only who scores waits for it

        cut = {name: values[start : start + _BATCH] for name, values in arrays.items()}
        groups = [[cut[name] for name in names] for names in _groups(self.signature.features).values()]
        # TensorFlow reads texts from lists four times as fast as from arrays of objects.
        inputs = [
            tf.constant([v.tolist() for v in group] if group[0].dtype == object else np.stack(group))
            for group in groups
        ]
        return self._serve(*inputs).numpy()


def _groups(features: Features) -> Mapping[str, Sequence[str]]:
    """The raw columns by the type of their tensors."""
    found: dict[str, list[str]] = {}
    for name, kind in columns(features).items():
        found.setdefault(_TENSORS[kind], []).append(name)
    return found


def _packed(serve: Any, features: Features) -> Any:
    """A function that takes a tensor (k, n) for each type, in place of k tensors (n,): a third of the time for one row.

    It is traced here, for any number of rows, and never again.
    """
    import tensorflow as tf  # noqa: PLC0415 - takes seconds, so only who scores waits for it

    groups = _groups(features)
    specs = [tf.TensorSpec([len(names), None], kind) for kind, names in groups.items()]

    def score(*inputs: Any) -> Any:
        parts = zip(groups.values(), inputs, strict=True)
        return serve(**{name: row for names, each in parts for name, row in zip(names, tf.unstack(each), strict=True)})[
            "score"
        ]

    return tf.function(score, input_signature=specs, autograph=False).get_concrete_function()


def load(model: Path) -> Scorer:
    """The model of a directory that holds a SavedModel and its signature.

    Raises:
        ModelError: There is none, or its inputs or outputs are not those of its signature.
    """
    signature, loaded = _signature(model), _load(model)
    if "serving_default" not in loaded.signatures:
        raise ModelError(f"the model in {model} has no signature serving_default, only {list(loaded.signatures)}")
    serve = loaded.signatures["serving_default"]
    _check("takes", serve.structured_input_signature[1], columns(signature.features), "its signature says")
    _check("gives", serve.structured_outputs, ["score"], "wanted")
    packed = _packed(serve, signature.features)
    # The signature function lives as long as the object that it was loaded with.
    packed.plumbline_owner = loaded
    return Scorer(signature, packed, loaded.signatures.get(ATTRIBUTIONS))


def _signature(model: Path) -> Signature:
    try:
        return read_signature(model)
    except FileNotFoundError as error:
        raise ModelError(f"there is no model with a signature in {model}: {error}") from error
    except ValidationError as error:
        raise ModelError(f"the signature in {model} cannot be read: {error}") from error


def _load(model: Path) -> Any:
    # Importing TensorFlow imports Keras 3 and matplotlib, which takes two seconds and serves nobody here.
    os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
    import tensorflow as tf  # noqa: PLC0415 - takes seconds, so only who scores waits for it

    try:
        return tf.saved_model.load(str(model))
    except OSError as error:
        raise ModelError(f"there is no model with a signature in {model}: {error}") from error


def _check(verb: str, found: Iterable[str], wanted: Iterable[str], source: str) -> None:
    if set(found) != set(wanted):
        raise ModelError(f"the model {verb} {sorted(found)}, {source} {sorted(wanted)}")
