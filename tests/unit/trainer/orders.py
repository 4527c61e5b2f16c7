"""A small training for tests: a string label, an integer category, a boolean, a number, a timestamp, and NULLs."""

import datetime as dt
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import tensorflow as tf

from plumbline.dataset import SplitName, split_path
from plumbline.hardware import Hardware
from plumbline.imbalance import Imbalance
from plumbline.problem import Column, Label, Network, Training
from plumbline.section import to_json
from plumbline.signature import Signature
from trainer.rows import Rows

SIGNATURE = Signature(
    name="orders",
    features={
        "price": Column(type="numeric"),
        "shop": Column(type="categorical"),
        "department": Column(type="categorical"),
        "gift": Column(type="boolean"),
        "hour": Column(type="timestamp", column="ordered_at", part="hour"),
        "weekday": Column(type="timestamp", column="ordered_at", part="weekday"),
    },
    label=Label(column="outcome", positive="returned"),
)
ROWS: Mapping[SplitName, int] = {"train": 600, "validation": 400}
NETWORK = Network(hidden=(16,), dropout=0.1, embedding=4)
PLAIN = Imbalance(correct=False)
"""The scores are those of the network itself."""
_START = dt.datetime(2020, 1, 1)  # noqa: DTZ001 - a wall clock
_NULLS = 0.05


def training(
    *,
    epochs: int = 6,
    replicas: int = 1,
    mixed_precision: bool = False,
    xla: bool = False,
    memory_gb: float = 4.0,
    imbalance: Imbalance = PLAIN,
    network: Network = NETWORK,
) -> Training:
    """A tiny network's settings."""
    return Training(
        epochs=epochs,
        batch_size=64,
        learning_rate=0.01,
        patience=100,
        network=network,
        imbalance=imbalance,
        hardware=Hardware(replicas=replicas),
        mixed_precision=mixed_precision,
        xla=xla,
        memory_gb=memory_gb,
    )


def table(rows: int, seed: int) -> pa.Table:
    """Rows whose outcome depends on price, shop and gift; each column but the shop has NULLs."""
    random = np.random.default_rng(seed)
    price, gift = random.uniform(0, 100, rows), random.random(rows) < 0.3
    shop = random.choice(["north", "south", "west"], rows)
    logit = price / 12 - 7 + 2.0 * gift + 2.0 * (shop == "west")
    returned = random.random(rows) < 1 / (1 + np.exp(-logit))
    times = [_START + dt.timedelta(minutes=int(m)) for m in random.integers(0, 500_000, rows)]

    def with_nulls(values: object, kind: pa.DataType) -> pa.Array:
        return pa.array(values, kind, mask=random.random(rows) < _NULLS)

    return pa.table(
        {
            "price": with_nulls(price, pa.float64()),
            "shop": pa.array(shop),
            "department": with_nulls(random.integers(1, 5, rows), pa.int64()),
            "gift": with_nulls(gift, pa.bool_()),
            "ordered_at": with_nulls(np.array(times, "datetime64[us]"), pa.timestamp("us")),
            "outcome": pa.array(np.where(returned, "returned", "kept")),
        }
    )


def shuffled(rows: pa.Table, seed: int) -> pa.Table:
    """The rows with their labels mixed: there is nothing left to learn."""
    mixed = np.random.default_rng(seed).permutation(rows.num_rows)
    return rows.set_column(rows.column_names.index("outcome"), "outcome", rows.column("outcome").take(pa.array(mixed)))


def write_dataset(folder: Path, *, mixed: bool = False) -> None:
    """Puts the splits into a folder."""
    folder.mkdir(parents=True)
    for seed, (split, count) in enumerate(ROWS.items()):
        rows = table(count, seed)
        pq.write_table(shuffled(rows, seed) if mixed else rows, split_path(folder, split))


def arguments(settings: Training) -> list[str]:
    """The job's command line; the dataset lies in gs://bucket/dataset."""
    return [
        "--dataset=gs://bucket/dataset",
        "--history=gs://bucket/job/history.json",
        f"--signature={to_json(SIGNATURE)}",
        f"--training={to_json(settings)}",
    ]


def environment(mount: Path) -> Mapping[str, str]:
    """What Vertex AI and its emulator tell a job."""
    places = {"AIP_MODEL_DIR": "model", "AIP_CHECKPOINT_DIR": "checkpoints", "AIP_TENSORBOARD_LOG_DIR": "logs"}
    return {"GCS_MOUNT": str(mount), **{name: f"gs://bucket/job/{place}/" for name, place in places.items()}}


def returned(rows: pa.Table) -> npt.NDArray[np.bool_]:
    """Which rows are positive, by plain Python."""
    return np.array([value == "returned" for value in rows.column("outcome").to_pylist()])


def inputs(rows: Rows) -> list[tf.Tensor]:
    """Numbers and codes of all rows, as a network takes them."""
    together = next(iter(rows.in_order().rebatch(rows.count)))
    return list(rows.layout.parts(together)[0])
