"""A SavedModel as a scorer: what is no model, or not the one that its signature tells of, is refused."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from plumbline.adapters.savedmodel import load
from plumbline.errors import ModelError
from plumbline.features import MISSING_TIME, Arrays
from plumbline.problem import Column, Label
from plumbline.signature import Signature, write_signature

SIGNATURE = Signature(
    name="orders",
    features={
        "size": Column(type="numeric"),
        "colour": Column(type="categorical"),
        "hour": Column(type="timestamp", column="at", part="hour"),
    },
    label=Label(column="late", positive=True),
)
SPECS = {
    "size": tf.TensorSpec([None], tf.float32, name="size"),
    "colour": tf.TensorSpec([None], tf.string, name="colour"),
    "at": tf.TensorSpec([None], tf.int64, name="at"),
}

Inputs = Mapping[str, tf.Tensor]


def save(
    folder: Path, score: Callable[[Inputs], tf.Tensor], specs: Mapping[str, tf.TensorSpec], output: str = "score"
) -> None:
    """Puts a SavedModel that computes `score` into a folder."""
    module = tf.Module()
    module.serve = tf.function(lambda inputs: {output: score(inputs)}, input_signature=[dict(specs)], autograph=False)
    tf.saved_model.save(module, str(folder), signatures={"serving_default": module.serve})


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose score is the size over 100, and no number where there is no size."""
    folder = tmp_path_factory.mktemp("model")
    save(folder, lambda inputs: inputs["size"] / 100, SPECS)
    write_signature(folder, SIGNATURE)
    return folder


def arrays(sizes: list[float]) -> Arrays:
    """Rows of these sizes."""
    count = len(sizes)
    return {
        "size": np.array(sizes, np.float32),
        "colour": np.array(["red"] * count, object),
        "at": np.full(count, MISSING_TIME),
    }


@pytest.mark.parametrize("count", [0, 1, 3, 20_000])
def test_rows_get_scores_in_their_order(model: Path, count: int) -> None:
    """None, one, a few, and more than fit into one batch."""
    sizes = [float(i % 100) for i in range(count)]
    found = load(model).score(arrays(sizes))
    assert found.shape == (count,)
    np.testing.assert_allclose(found, np.array(sizes) / 100, rtol=1e-6)


def test_a_model_without_gradients_says_so(model: Path) -> None:
    """It was made by somebody else, or before models had them."""
    found = load(model)
    assert not found.has_gradients
    with pytest.raises(ModelError, match="this model has no integrated gradients: train it anew"):
        found.gradients(arrays([1.0]))


def test_no_number_of_rows_is_traced_anew(model: Path) -> None:
    """What is called is one graph, made when the model is loaded, for every number of rows."""
    traced: list[int] = []

    def score(inputs: Inputs) -> tf.Tensor:
        traced.append(1)
        return inputs["size"] / 100

    folder = model.parent / "traced"
    save(folder, score, SPECS)
    write_signature(folder, SIGNATURE)
    before, scorer = len(traced), load(folder)
    for count in range(1, 40):
        scorer.score(arrays([1.0] * count))
    assert len(traced) == before


@pytest.mark.parametrize("size", [float("nan"), float("inf")])
def test_a_score_that_is_no_number_is_refused(model: Path, size: float) -> None:
    """The message names the row, so that it can be looked at."""
    with pytest.raises(ModelError, match="row 2 gets a score that is no number"):
        load(model).score(arrays([1.0, 2.0, size]))


@pytest.mark.parametrize("size", [-1.0, 101.0])
def test_a_score_that_is_no_probability_is_refused(model: Path, size: float) -> None:
    """Below 0 or above 1 is a model of something else."""
    with pytest.raises(ModelError, match=r"row 1 gets the score -?[0-9.]+, which is no probability"):
        load(model).score(arrays([1.0, size]))


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    """The message names the folder."""
    with pytest.raises(ModelError, match=f"there is no model with a signature in {tmp_path}"):
        load(tmp_path)


def test_a_signature_without_a_model_is_refused(tmp_path: Path) -> None:
    """The signature alone scores nothing."""
    write_signature(tmp_path, SIGNATURE)
    with pytest.raises(ModelError, match=f"there is no model with a signature in {tmp_path}"):
        load(tmp_path)


@pytest.mark.parametrize("text", ["", "{}", '{"name": "orders"', '{"name": "orders", "surprise": 1}'])
def test_a_signature_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    """A file that was cut off or is something else: a model's error, not a parser's."""
    (tmp_path / "signature.json").write_text(text, encoding="utf-8")
    with pytest.raises(ModelError, match=rf"the signature in {tmp_path} cannot be read"):
        load(tmp_path)


def test_a_model_with_other_inputs_is_refused(tmp_path: Path) -> None:
    """The message names both sides."""
    save(tmp_path, lambda inputs: inputs["size"], {name: SPECS[name] for name in ("size", "colour")})
    write_signature(tmp_path, SIGNATURE)
    with pytest.raises(ModelError, match=r"takes \['colour', 'size'\], its signature says \['at', 'colour', 'size'\]"):
        load(tmp_path)


def test_a_model_with_another_output_is_refused(tmp_path: Path) -> None:
    """What it gives is not called score."""
    save(tmp_path, lambda inputs: inputs["size"], SPECS, output="logit")
    write_signature(tmp_path, SIGNATURE)
    with pytest.raises(ModelError, match=r"the model gives \['logit'\], wanted \['score'\]"):
        load(tmp_path)


def test_a_saved_module_without_a_serving_signature_is_refused(tmp_path: Path) -> None:
    """A SavedModel that was not made to be served."""
    tf.saved_model.save(tf.Module(), str(tmp_path))
    write_signature(tmp_path, SIGNATURE)
    with pytest.raises(ModelError, match="has no signature serving_default"):
        load(tmp_path)
