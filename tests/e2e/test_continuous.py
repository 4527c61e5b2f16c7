"""The model that serves, by the commands that a user types: judged, and trained again where there is a reason."""

from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tests.e2e.test_runs import ORDERS, Laptop, laptop, orders

LABELS = """-- Orders with what became of them, by when they were placed: from @start to @end.
SELECT order_number, placed_at, outcome, warehouse, TIMESTAMP_ADD(TIMESTAMP(placed_at), INTERVAL 240 HOUR) AS decided_at
FROM {orders}
WHERE TIMESTAMP(placed_at) >= @start AND TIMESTAMP(placed_at) < @end
"""
OBSERVED = {
    "query": "queries/outcomes.sql",
    "tables": ["orders"],
    "join": ["warehouse", "placed_at"],
    "known": "decided_at",
    "delay_hours": 240,
    "window_hours": 168,
}


@dataclass(frozen=True, slots=True)
class Shop:
    """A laptop with ninety days of orders, and their config with the two sections."""

    place: Laptop
    config: Path

    def run(self, *arguments: str) -> tuple[int, str]:
        """The exit status of a command on the config, and what it says."""
        done = self.place.run(*arguments, "--config", str(self.config))
        return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """The shop."""
    made = laptop(tmp_path_factory.mktemp("shop"))
    orders(made.run, made.folder)
    content = yaml.safe_load(ORDERS.read_text(encoding="utf-8"))
    content |= {"observation": OBSERVED, "retraining": {"new_rows": 1000, "on_alert": True}}
    config = made.folder / "orders.yaml"
    config.write_text(yaml.safe_dump(content), encoding="utf-8")
    queries = made.folder / "queries"
    queries.mkdir()
    text = (ORDERS.parent / "queries" / "orders.sql").read_text(encoding="utf-8")
    (queries / "orders.sql").write_text(text, encoding="utf-8")
    (queries / "outcomes.sql").write_text(LABELS, encoding="utf-8")
    return Shop(made, config)


def test_a_model_is_trained_for_a_reason_and_then_left_alone(shop: Shop) -> None:
    """A look says it, a second one does it, a third finds the cool-down; the report of the run says why it was made."""
    status, said = shop.run("retrain", "--look")
    assert (status, "train: 1,440 new rows since ever, wanted 1,000" in said) == (0, True), said
    assert not (shop.place.folder / "runs").exists()
    status, said = shop.run("retrain")
    assert status == 0, said
    assert "SHIPPED" in said
    (run,) = (shop.place.folder / "runs").iterdir()
    page = (run / "report.html").read_text(encoding="utf-8")
    assert "Why this run" in page
    assert "1,440 new rows since ever" in page
    status, said = shop.run("retrain")
    assert (status, "do not train: cool-down until" in said) == (0, True), said
    assert len(list((shop.place.folder / "runs").iterdir())) == 1


def test_a_window_without_predictions_is_not_judged(shop: Shop) -> None:
    """The week's orders are counted, nobody has asked about them, and that is no failure."""
    # The week from February 13 to 19 ended ten days before.
    status, said = shop.run("evaluate", "--at", "2020-03-02T00:00")
    assert status == 0, said
    assert "2020-02-13T00:00:00+00:00 to 2020-02-20T00:00:00+00:00: labels 168, matched 0" in said
    assert "not judged: no labelled row has a prediction" in said
    assert "do not train" in said


def test_a_problem_without_the_sections_goes_on_as_before(shop: Shop) -> None:
    """Its model cannot be judged in service, and it is never trained by itself."""
    done = shop.place.run("evaluate", "--config", str(ORDERS))
    assert done.returncode == 2
    assert "there is no section `observation`" in done.stderr
    done = shop.place.run("retrain", "--config", str(ORDERS))
    assert done.returncode == 0
    assert "do not train: the config has no section `retraining`" in done.stdout
