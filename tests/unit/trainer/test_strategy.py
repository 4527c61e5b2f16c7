"""The strategy: chosen from the config and the machine, refused where they do not go together."""

import json
from typing import cast

import pytest
import tensorflow as tf

from plumbline.errors import ModelError
from plumbline.hardware import Hardware
from trainer.strategy import Devices, choose, find_devices, is_chief, make, wait_for_all

GPU = Hardware(accelerator_type="NVIDIA_TESLA_T4", accelerator_count=2)
TPU = Hardware(accelerator_type="TPU_V3", accelerator_count=8)
V5E = Hardware(machine_type="ct5lp-hightpu-4t", tpu_topology="2x2")
CLUSTER = {"chief": ["a:1"], "worker": ["b:1", "c:1"], "ps": ["d:1"]}


@pytest.mark.parametrize(
    ("hardware", "devices", "wanted"),
    [
        (Hardware(), Devices(gpus=0, tpus=0, workers=1), "one_device"),
        (Hardware(), Devices(gpus=1, tpus=0, workers=1), "one_device"),
        (GPU, Devices(gpus=2, tpus=0, workers=1), "mirrored"),
        (TPU, Devices(gpus=0, tpus=8, workers=1), "tpu"),
        (V5E, Devices(gpus=0, tpus=4, workers=1), "tpu"),
        (Hardware(), Devices(gpus=4, tpus=0, workers=1), "mirrored"),
        (Hardware(replicas=3), Devices(gpus=0, tpus=0, workers=3), "multi_worker"),
        (Hardware(replicas=3, strategy="multi_worker"), Devices(gpus=4, tpus=0, workers=3), "multi_worker"),
        (Hardware(strategy="mirrored"), Devices(gpus=0, tpus=0, workers=1), "mirrored"),
    ],
)
def test_the_hardware_decides(hardware: Hardware, devices: Devices, wanted: str) -> None:
    """What the config says, and else what there is."""
    assert choose(hardware, devices) == wanted


@pytest.mark.parametrize(
    ("hardware", "devices", "wanted"),
    [
        (GPU, Devices(gpus=0, tpus=0, workers=1), "asks for 2 x NVIDIA_TESLA_T4, TensorFlow finds 0 GPU: check"),
        (GPU, Devices(gpus=1, tpus=0, workers=1), "TensorFlow finds 1 GPU"),
        (TPU, Devices(gpus=0, tpus=0, workers=1), "asks for TPU_V3, TensorFlow finds no TPU: the image needs"),
        (V5E, Devices(gpus=0, tpus=0, workers=1), "asks for ct5lp-hightpu-4t, TensorFlow finds no TPU"),
        (Hardware(replicas=2), Devices(gpus=0, tpus=0, workers=1), "asks for 2 replicas, TF_CONFIG names 1"),
        (
            Hardware(strategy="mirrored"),
            Devices(gpus=1, tpus=0, workers=2),
            "2 replicas need the strategy multi_worker, got mirrored",
        ),
    ],
)
def test_what_is_not_there_is_named(hardware: Hardware, devices: Devices, wanted: str) -> None:
    """A job never trains on less than was asked for, nor do its replicas train past each other."""
    with pytest.raises(ModelError, match=wanted):
        choose(hardware, devices)


@pytest.mark.parametrize(
    ("environ", "workers"),
    [
        ({}, 1),
        ({"TF_CONFIG": ""}, 1),
        ({"TF_CONFIG": json.dumps({"cluster": CLUSTER, "task": {"type": "chief", "index": 0}})}, 3),
        ({"TF_CONFIG": json.dumps({"cluster": {"worker": ["a:1", "b:1"]}})}, 2),
    ],
)
def test_workers_are_counted_from_the_cluster(environ: dict[str, str], workers: int) -> None:
    """The chief and the workers train; nobody else does."""
    assert find_devices(environ).workers == workers


@pytest.mark.parametrize(
    "environ",
    [
        {"TPU_NODE_NAME": "my-first-tpu-node"},
        {"TPU_CONFIG": '{"project": "tenant-project-xyz"}'},
        {"TPU_NAME": "local"},
        {"TF_PLUGGABLE_DEVICE_LIBRARY_PATH": "/lib/libtpu.so"},
    ],
)
def test_a_tpu_that_is_told_of_and_not_there_is_none(environ: dict[str, str]) -> None:
    """TensorFlow without support of TPUs finds none, and goes on to say so, whoever told of one."""
    assert find_devices(environ) == Devices(gpus=0, tpus=0, workers=1)
    assert find_devices({}, tpu=True) == Devices(gpus=0, tpus=0, workers=1)


class Placed:
    """As much of a strategy as tells its place in a cluster."""

    def __init__(self, cluster: dict[str, list[str]], role: str, index: int) -> None:
        spec = tf.train.ClusterSpec(cluster)
        self.cluster_resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
            spec, task_type=role, task_id=index
        )


@pytest.mark.parametrize(
    ("cluster", "role", "index", "wanted"),
    [
        (CLUSTER, "chief", 0, True),
        (CLUSTER, "worker", 0, False),
        ({"worker": ["a:1", "b:1"]}, "worker", 0, True),
        ({"worker": ["a:1", "b:1"]}, "worker", 1, False),
    ],
)
def test_one_process_of_a_cluster_is_the_chief(
    cluster: dict[str, list[str]], role: str, index: int, wanted: bool
) -> None:
    """The one that is called so, or the first worker where none is."""
    assert is_chief(cast("tf.distribute.Strategy", Placed(cluster, role, index))) is wanted


def test_one_process_is_its_own_chief_and_waits_for_nobody() -> None:
    """Outside of a cluster every process writes."""
    strategy = make("one_device")
    assert is_chief(strategy)
    assert strategy.num_replicas_in_sync == 1
    wait_for_all(strategy)
