"""Deployment: what is asked for is checked on what there is, and online answers against offline ones."""

import dataclasses

import numpy as np
import pytest

from plumbline.deployment import ACCELERATOR_METRIC, CPU_METRIC, check_scaling, check_smoke, scaling
from plumbline.errors import ModelError, ServiceError
from plumbline.problem import Serving

SERVING = Serving(endpoint="flights", minimum_replicas=1, maximum_replicas=3, target_utilisation=70)
OFFLINE = np.array([0.1, 0.9])


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


def test_equal_scores_pass() -> None:
    """The largest difference is what is told."""
    assert check_smoke([0.1, 0.9 + 5e-5], OFFLINE, tolerance=1e-4) == pytest.approx(5e-5)


@pytest.mark.parametrize(
    ("online", "wanted"),
    [
        ([0.1, 0.91], "row 1 scores 0.910000 online and 0.900000 offline"),
        ([0.1], "wanted 2 online scores"),
        ([], "wanted 2 online scores"),
        ([0.1, float("nan")], "not finite"),
    ],
)
def test_other_scores_fail(online: list[float], wanted: str) -> None:
    """A wrong, missing or undefined answer fails the smoke test."""
    with pytest.raises(ModelError, match=wanted):
        check_smoke(online, OFFLINE, tolerance=1e-4)


def test_nothing_to_compare_fails() -> None:
    """An empty probe proves nothing."""
    with pytest.raises(ModelError, match="at least 1"):
        check_smoke([], np.array([]), tolerance=1e-4)
