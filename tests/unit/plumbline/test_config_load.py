"""A load profile in a config: one that cannot be borne is refused at its line, before anything starts."""

from pathlib import Path

import pytest

from plumbline.config import load_problem
from plumbline.errors import ConfigError

FLIGHTS = Path(__file__).parents[3] / "configs" / "flights.yaml"
PROFILE = "load: {usual_rate: 5, peak_rate: 20}"


def config(folder: Path, profile: str) -> Path:
    """The example's config with a profile of its own."""
    text = FLIGHTS.read_text(encoding="utf-8")
    assert text.count(PROFILE) == 1
    (folder / "queries").mkdir()
    (folder / "queries" / "flights.sql").write_text("SELECT 1", encoding="utf-8")
    (folder / "queries" / "flights_labels.sql").write_text("SELECT @start, @end", encoding="utf-8")
    path = folder / "flights.yaml"
    path.write_text(text.replace(PROFILE, profile), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("profile", "wanted"),
    [
        # 400 x 1.2 / (40 x 0.6) = 20 > 3
        (
            "load: {usual_rate: 5, peak_rate: 400, replica_rate: 40}",
            "the peak of 400 requests/s needs 20 replicas (40 requests/s each, used to 60 %, 1.2 times the rate), "
            "maximum_replicas is 3: raise it, or take a larger machine_type",
        ),
        # 50 x 1.2 / (40 x 0.6) = 2.5 > 1, and the peak of 60 needs 3
        ("load: {usual_rate: 50, peak_rate: 60, replica_rate: 40}", "the usual rate of 50 requests/s needs 3 replicas"),
        ("load: {usual_rate: 9, peak_rate: 2}", "peak_rate must be >= usual_rate"),
        ("load: {usual_rate: 0, peak_rate: 2}", "greater than 0"),
        ("load: {usual_rate: 1, peak_rate: 2, replica_rate: 0}", "greater than 0"),
        ("load: {usual_rate: 1, peak_rate: .inf}", "finite"),
        ("load: {usual_rate: 1, peak_rate: 2, headroom: 0.9}", "greater than or equal to 1"),
        ("load: {usual_rate: 1, peak: 2}", "did you mean peak_rate?"),
    ],
)
def test_a_profile_that_cannot_be_borne_is_refused(tmp_path: Path, profile: str, wanted: str) -> None:
    """The message has its line, and what to do."""
    path = config(tmp_path, profile)
    with pytest.raises(ConfigError) as refused:
        load_problem(path)
    assert wanted in str(refused.value)
    line = int(str(refused.value).split(":")[1])
    assert path.read_text(encoding="utf-8").splitlines()[line - 1].strip() == profile


@pytest.mark.parametrize(
    "profile",
    [
        # 60 x 1.2 / (40 x 0.6) = 3, and 20 x 1.2 / (40 x 0.6) = 1: just enough of both
        "load: {usual_rate: 20, peak_rate: 60, replica_rate: 40}",
        # Nobody knows before it is measured.
        "load: {usual_rate: 5, peak_rate: 400}",
        "smoke_tolerance: 0.0001",
    ],
)
def test_a_profile_that_fits_is_taken(tmp_path: Path, profile: str) -> None:
    """And so is one that waits for its measurement, and none at all."""
    load_problem(config(tmp_path, profile))
