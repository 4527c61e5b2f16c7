"""The interval of monitoring jobs."""

import pytest
from google.cloud.aiplatform_v1.types import model_deployment_monitoring_job as jobs

from emulator.aiplatform.monitoring_jobs.resource import round_interval


@pytest.mark.parametrize(
    ("seconds", "nanos", "rounded"),
    [(0, 1, 3600), (3600, 0, 3600), (3600, 1, 7200), (7199, 999_999_999, 7200), (7201, 0, 10_800)],
)
def test_an_interval_is_rounded_up(seconds: int, nanos: int, rounded: int) -> None:
    """To full hours."""
    job = jobs.ModelDeploymentMonitoringJob.pb()()
    interval = job.model_deployment_monitoring_schedule_config.monitor_interval
    interval.seconds, interval.nanos = seconds, nanos
    round_interval(job)
    assert (interval.seconds, interval.nanos) == (rounded, 0)
