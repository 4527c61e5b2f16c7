"""What `deploy` has written about itself is read back as what it was."""

import dataclasses
import json
from pathlib import Path

from plumbline.adapters.findings import find
from plumbline.canary import Stage
from plumbline.load import MeasuredRate
from plumbline.report import Findings
from plumbline.runs import Output, Run, Step

STAGE = Stage(5, answers=20, error_rate=0.0, latency_ms=4.0, champion_latency_ms=3.0, shift=0.1)


def deployed(**facts: object) -> Findings:
    """Of a run whose endpoint has these metadata."""
    step = Step("deploy", "SUCCEEDED", outputs={"endpoint": Output("", facts)})
    return find(Run("pipelineJobs/r", "SUCCEEDED", "", None, {"deploy": step}), Path("/nowhere"))


def test_the_stages_of_the_traffic() -> None:
    """As many as there were."""
    assert deployed(stages=json.dumps([dataclasses.asdict(STAGE)] * 2)).stages == (STAGE, STAGE)
    assert deployed(stages="[]").stages == ()


def test_the_rate_of_a_replica() -> None:
    """None where it was not measured."""
    assert deployed(replicaRate=3.0, replicaRateLow=2.0, replicaRateHigh=4.0).rate == MeasuredRate(3.0, 2.0, 4.0)
    assert deployed(replicaRate=0.0).rate is None


def test_a_run_of_before_has_neither() -> None:
    """Its endpoint says nothing of them."""
    assert deployed() == Findings()
