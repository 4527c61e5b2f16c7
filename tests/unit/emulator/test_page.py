"""The page that says what the emulator implements."""

from pathlib import Path

import pytest

from emulator import page

_COMMITTED = Path(__file__).parents[3] / "docs" / "emulator.md"


@pytest.fixture(scope="module")
def text() -> str:
    """The page as it would be written now."""
    return page.page()


def test_the_committed_page_is_up_to_date(text: str) -> None:
    """When this fails: `make generate`."""
    assert _COMMITTED.read_text(encoding="utf-8") == text


def test_what_is_there_and_what_is_not_are_told_apart(text: str) -> None:
    """A method stands in one of the two lists."""
    there, missing = text.split("## Methods that answer 501")
    assert "| `UploadModel` | model_service | A new version under a parent model, or of a new one. |" in there
    assert "UploadModel" not in missing
    assert "CreateBatchPredictionJob" in missing
    assert "`CreateBatchPredictionJob`" not in there


def test_the_page_says_that_monitoring_computes_nothing(text: str) -> None:
    """Whoever reads it must not think that drift was looked for."""
    assert "nothing is computed" in text
