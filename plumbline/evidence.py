"""Why a training was started by itself: the evidence that goes with the run, and into its report."""

from typing import Literal

from plumbline.alerts import Alert
from plumbline.problem import Split
from plumbline.section import from_json, section

Reason = Literal["alert", "new rows", "schedule"]


@section
class Evidence:
    """Why a run was started: it goes with the run, and into its report."""

    reasons: tuple[Reason, ...]
    text: str
    decided_at: str
    """ISO 8601."""
    champion: str
    last_training: str
    """Id of the run; empty for none."""
    new_rows: int
    alerts: tuple[Alert, ...]
    split: Split


def read_evidence(text: str) -> Evidence | None:
    """The evidence of a run's parameter; None for a run that was started by hand."""
    return from_json(Evidence, text) if text else None
