"""Deployment: what is asked for is checked on what there is."""

import dataclasses

import pytest

from plumbline.deployment import ACCELERATOR_METRIC, CPU_METRIC, check_scaling, scaling
from plumbline.errors import ServiceError
from plumbline.problem import Serving

SERVING = Serving(endpoint="flights", minimum_replicas=1, maximum_replicas=3, target_utilisation=70)


def test_a_machine_without_accelerator_is_scaled_by_its_cpu() -> None:
    """One target, on the CPU."""
    assert scaling(SERVING).targets == {CPU_METRIC: 70}


def test_an_accelerator_is_watched_too() -> None:
    """A target for the CPU alone would ignore the accelerator."""
    served = dataclasses.replace(SERVING, accelerator_type="NVIDIA_TESLA_T4", accelerator_count=1)
    assert scaling(served).targets == {CPU_METRIC: 70, ACCELERATOR_METRIC: 70}


def test_dropped_settings_are_found() -> None:
    """An endpoint that has another maximum, or no target, is not what was asked for."""
    wanted = scaling(SERVING)
    check_scaling(wanted, wanted)
    for got in (dataclasses.replace(wanted, maximum=1), dataclasses.replace(wanted, targets={})):
        with pytest.raises(ServiceError, match="does not have what was asked for"):
            check_scaling(wanted, got)
