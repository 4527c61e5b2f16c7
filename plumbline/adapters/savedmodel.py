"""A TensorFlow SavedModel as a function from raw columns to scores."""

import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from plumbline.attribution import ATTRIBUTIONS
from plumbline.errors import ModelError
from plumbline.features import Arrays, columns
from plumbline.signature import Signature, read_signature

_BATCH = 16_384
_SERVE = "serving_default"
_Call = Callable[..., Sequence[Any]]
"""From an array a raw column to one array in a list."""


@dataclass(frozen=True, slots=True)
class Scorer:
    """A loaded model."""

    signature: Signature
    _serve: _Call
    _attribute: _Call | None = None
    """Of a model that can explain its scores by itself."""

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
        # NaN is neither.
        fine = (scores >= 0) & (scores <= 1)
        if not fine.all():
            row = int(np.argmin(fine))
            said = "a score that is no number"
            if np.isfinite(scores[row]):
                said = f"the score {scores[row]:g}, which is no probability"
            raise ModelError(f"row {first + row} gets {said}")
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
        if self._attribute is None:
            raise ModelError("this model has no integrated gradients: train it anew, or take sampled Shapley values")
        (found,) = self._attribute(*(arrays[name] for name in columns(self.signature.features)))
        return np.asarray(found, np.float64)

    def _batch(self, arrays: Arrays, start: int) -> npt.NDArray[np.float32]:
        rows = (arrays[name][start : start + _BATCH] for name in columns(self.signature.features))
        (scores,) = self._serve(*rows)
        return scores


def load(model: Path) -> Scorer:
    """The model of a directory that holds a SavedModel and its signature.

    Raises:
        ModelError: There is none, or its inputs or outputs are not those of its signature.
    """
    signature, (session, found) = _signature(model), _opened(model)
    names = tuple(columns(signature.features))
    if _SERVE not in found:
        raise ModelError(f"the model in {model} has no signature {_SERVE}, only {sorted(found)}")
    _check("takes", found[_SERVE].inputs, names, "its signature says")
    _check("gives", found[_SERVE].outputs, ["score"], "wanted")
    reasons = found.get(ATTRIBUTIONS)
    return Scorer(
        signature,
        _call(session, found[_SERVE], names, "score"),
        _call(session, reasons, names, ATTRIBUTIONS) if reasons else None,
    )


def _signature(model: Path) -> Signature:
    try:
        return read_signature(model)
    except FileNotFoundError as error:
        raise ModelError(f"there is no model with a signature in {model}: {error}") from error
    except ValidationError as error:
        raise ModelError(f"the signature in {model} cannot be read: {error}") from error


def _opened(model: Path) -> tuple[Any, Mapping[str, Any]]:
    """A session with the model, and its signatures.

    A function of an eagerly loaded model takes three times as long for a row: each argument becomes a tensor first, and
    threads of TensorFlow's are woken. A session takes arrays, and computes in the thread that asks.
    """
    # Importing TensorFlow imports Keras 3 and matplotlib, which takes two seconds and serves nobody here.
    os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
    import tensorflow as tf  # noqa: PLC0415 - takes seconds, so only who scores waits for it

    v1, graph = tf.compat.v1, tf.Graph()
    session = v1.Session(graph=graph, config=v1.ConfigProto(inter_op_parallelism_threads=-1))
    try:
        with graph.as_default(), _quiet(tf.get_logger()):
            loaded = v1.saved_model.load(session, [tf.saved_model.SERVING], str(model))
    except OSError as error:
        raise ModelError(f"there is no model with a signature in {model}: {error}") from error
    return session, {name: each for name, each in loaded.signature_def.items() if not name.startswith("__")}


@contextmanager
def _quiet(logger: logging.Logger) -> Iterator[None]:
    """Without warnings: of the loader it is said that there is another one, which makes no session."""
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


def _call(session: Any, signature: Any, names: Sequence[str], output: str) -> _Call:
    """What a signature computes, from arrays in the order of the names."""
    from tensorflow.core.protobuf.config_pb2 import CallableOptions  # noqa: PLC0415 - as above

    feed = [signature.inputs[name].name for name in names]
    options = CallableOptions(feed=feed, fetch=[signature.outputs[output].name])
    # `make_callable` goes through `run` where something is fed, which takes twice as long as all else.
    call: _Call = session._make_callable_from_options(options)  # noqa: SLF001 - see above; Keras does the same
    return call


def _check(verb: str, found: Iterable[str], wanted: Iterable[str], source: str) -> None:
    if set(found) != set(wanted):
        raise ModelError(f"the model {verb} {sorted(found)}, {source} {sorted(wanted)}")
