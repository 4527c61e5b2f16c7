"""Whole runs, by the command that a user types: another problem ships, and a model that has learnt nothing does not."""

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import yaml

from emulator.aiplatform.ports import free_ports
from plumbline.adapters.sample_data import read_sample
from tests.waiting import soon

ROOT = Path(__file__).parents[2]
ORDERS = Path(__file__).parent / "orders" / "orders.yaml"
_HOURS = 24 * 90


@dataclass(frozen=True, slots=True)
class Laptop:
    """A state folder and an environment config of their own, on free ports."""

    folder: Path
    env: Path

    def command(self, *arguments: str) -> list[str]:
        """A command of the product's command line."""
        place = ["--env", str(self.env), "--state", str(self.folder), "--keep", "0"]
        return [sys.executable, "-m", "pipelines", *arguments, *place]

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Its exit status and what it says."""
        return subprocess.run(
            self.command(*arguments), cwd=ROOT, env=environ(), capture_output=True, text=True, check=False, timeout=280
        )


def environ() -> dict[str, str]:
    """The environment of a user's shell."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def laptop(folder: Path) -> Laptop:
    """A new laptop."""
    ports = free_ports(4)
    content = yaml.safe_load((ROOT / "configs" / "env" / "local.yaml").read_text(encoding="utf-8"))
    names = ("aiplatform", "bigquery", "bigquery_storage", "storage")
    content["endpoints"] = {
        name: f"127.0.0.1:{port}" if name == "bigquery_storage" else f"http://127.0.0.1:{port}"
        for name, port in zip(names, ports, strict=True)
    }
    env = folder / "env.yaml"
    env.write_text(yaml.safe_dump(content), encoding="utf-8")
    return Laptop(folder, env)


def orders(run: Callable[..., subprocess.CompletedProcess[str]], folder: Path) -> None:
    """Ninety days of orders, loaded: returns depend on amount, warehouse and hour."""
    random = np.random.default_rng(3)
    hours = np.arange(_HOURS)
    amount = random.uniform(0, 200, _HOURS)
    warehouse = random.integers(1, 4, _HOURS)
    chance = 1 / (1 + np.exp(-(amount / 40 - 4 + (warehouse == 2) + np.sin(hours % 24 / 24 * 2 * np.pi))))
    placed = np.datetime64("2020-01-01T00:00:00", "us") + hours.astype("timedelta64[h]")
    rows = pa.table(
        {
            "order_number": [f"n{number}" for number in hours],
            "placed_at": pa.array(placed, pa.timestamp("us")),
            "outcome": np.where(random.random(_HOURS) < chance, "returned", "kept"),
            "amount": pa.array(amount, mask=random.random(_HOURS) < 0.1),
            "warehouse": warehouse,
            "basket_size": pa.array(random.integers(1, 9, _HOURS), mask=random.random(_HOURS) < 0.2),
            "express": pa.array(random.random(_HOURS) < 0.3, mask=random.random(_HOURS) < 0.1),
        }
    )
    load(run, folder, "orders", rows)


def load(run: Callable[..., subprocess.CompletedProcess[str]], folder: Path, name: str, rows: pa.Table) -> None:
    """A table into the emulator's BigQuery, by the command line."""
    file = folder / f"{name}.parquet"
    pq.write_table(rows, file)
    loaded = run("load-table", "--table", name, "--file", str(file))
    assert loaded.returncode == 0, loaded.stderr


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Laptop:
    """A laptop with ninety days of orders."""
    made = laptop(tmp_path_factory.mktemp("shop"))
    orders(made.run, made.folder)
    return made


def test_a_second_problem_ships_by_config_and_sql_alone(shop: Laptop) -> None:
    """Other names, a text label, integer categories, NULLs: no column of the example is in the code."""
    first = shop.run("run-local", "--config", str(ORDERS))
    assert first.returncode == 0, first.stdout + first.stderr
    assert "SHIPPED" in first.stdout
    assert '"decision"' in first.stdout
    (run,) = (shop.folder / "runs").iterdir()
    assert "SHIPPED" in (run / "report.html").read_text(encoding="utf-8")
    assert "Returned orders" in (run / "card.html").read_text(encoding="utf-8")
    again = shop.run("run-local", "--config", str(ORDERS))
    assert again.returncode == 0, again.stdout + again.stderr
    cached = {line.split()[0] for line in again.stdout.splitlines() if " cached " in line}
    assert {"ingest", "validate", "baseline", "train"} <= cached


def test_the_endpoint_of_the_last_run_is_loaded(shop: Laptop) -> None:
    """`make load`: each step is answered, and an interrupted load is written too, with the exit status 1."""
    done = shop.run("load", "--config", str(ORDERS), "--rates", "5,10", "--spike", "20", "--seconds", "1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "spike of 20 requests/s" in done.stdout
    assert "held (p99 below 250 ms, no error)" in done.stdout
    (first,) = (shop.folder / "load").iterdir()
    found = json.loads((first / "load.json").read_text(encoding="utf-8"))
    assert [step["answered"] for step in found["steps"]] == [step["due"] for step in found["steps"]]
    assert "<svg" in (first / "load.html").read_text(encoding="utf-8")
    command = shop.command("load", "--config", str(ORDERS), "--rates", "5", "--spike", "0", "--seconds", "300")
    shell = {**environ(), "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, cwd=ROOT, env=shell, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert any("step of 5 requests/s" in line for line in process.stdout)
        process.send_signal(signal.SIGINT)
        said = process.stdout.read()
        assert (process.wait(60), "interrupted" in said) == (1, True), said
    assert len(list((shop.folder / "load").glob("*/load.json"))) == 2


def test_each_group_of_features_is_left_out_once(shop: Laptop) -> None:
    """`make ablate` on the last run's dataset: what the orders depend on helps, and the result is kept."""
    done = shop.run("ablate", "--config", str(ORDERS), "--seeds", "1")
    assert done.returncode == 0, done.stdout + done.stderr
    # Five groups and all together.
    assert "6 trainings, 2 at a time" in done.stdout
    assert "the intervals know the chance in the rows, not that in training" in done.stdout
    (kept,) = (shop.folder / "ablation").iterdir()
    found = {each["group"]: each["worth"] for each in json.loads(kept.read_text(encoding="utf-8"))["groups"]}
    assert set(found) == {"amount", "warehouse", "items", "express", "placed_hour"}
    assert max(found, key=lambda group: found[group]) == "amount"


def test_an_ablation_needs_a_dataset(shop: Laptop) -> None:
    """Of these very columns."""
    text = ORDERS.read_text(encoding="utf-8").replace("name: orders", "name: others")
    config = shop.folder / "others.yaml"
    config.write_text(text.replace("query: queries/", f"query: {ORDERS.parent}/queries/"), encoding="utf-8")
    done = shop.run("ablate", "--config", str(config), "--seeds", "2")
    assert done.returncode == 1
    assert "no run of others has made a dataset" in done.stderr


def test_an_interrupt_ends_the_trainings_of_an_ablation(shop: Laptop) -> None:
    """Those under way are cancelled, and none that waits begins."""
    config, query = shop.folder / "ablate" / "long.yaml", shop.folder / "ablate" / "queries" / "orders.sql"
    query.parent.mkdir(parents=True)
    query.write_text((ORDERS.parent / "queries" / "orders.sql").read_text(encoding="utf-8"), encoding="utf-8")
    config.write_text(ORDERS.read_text(encoding="utf-8").replace("epochs: 4", "epochs: 4000"), encoding="utf-8")
    before = ablation_jobs(shop)
    # The emulator stays up for a while: as a job is cancelled, it would end with the command.
    command = [*shop.command("ablate", "--config", str(config)), "--keep", "60"]
    process = subprocess.Popen(command, cwd=ROOT, env=environ(), stdout=subprocess.PIPE, text=True)
    assert soon(lambda: [*ablation_jobs(shop).values()].count("JOB_STATE_RUNNING") == 2, within_s=60)
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "cancelling the trainings that are under way" in said

    def cancelled() -> bool:
        states = [state for name, state in ablation_jobs(shop).items() if name not in before]
        return states == ["JOB_STATE_CANCELLED"] * 2

    assert soon(cancelled, within_s=30)
    assert shop.run("stop").returncode == 0


def ablation_jobs(shop: Laptop) -> Mapping[str, str]:
    """The state of every training of an ablation, as the emulator has stored it."""
    query = "SELECT name, body FROM resources WHERE kind LIKE '%:CustomJob'"
    with closing(sqlite3.connect(shop.folder / "emulator" / "vertex.sqlite")) as stored:
        found = {name: json.loads(body) for name, body in stored.execute(query)}
    return {name: job["state"] for name, job in found.items() if job["displayName"] == "orders-ablate"}


def test_an_interrupt_ends_everything_and_the_report_is_written(shop: Laptop) -> None:
    """Ctrl-C in the middle: the run is cancelled, its report written, and no process is left."""
    text = ORDERS.read_text(encoding="utf-8").replace("epochs: 4", "epochs: 4000").replace("  hidden", "  hidden")
    config = shop.folder / "long.yaml"
    config.write_text(text.replace("query: queries/", f"query: {ORDERS.parent}/queries/"), encoding="utf-8")
    command = shop.command("run-local", "--config", str(config))
    process = subprocess.Popen(command, cwd=ROOT, env=environ(), stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    said = ""
    while "train      running" not in said:
        said += process.stdout.readline()
    time.sleep(2)
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "interrupted: ending the run" in rest
    assert "report.html" in rest
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout  # noqa: S607 - of the system
    assert str(shop.folder) not in listed


def test_a_model_of_shuffled_labels_is_blocked(tmp_path: Path) -> None:
    """The example is stopped before its training where there is nothing to learn from."""
    place = laptop(tmp_path)
    flights = read_sample("flights")
    random = np.random.default_rng(5)
    aircraft = pc.unique(flights.column("tailnum").drop_null())
    chosen = aircraft.filter(pa.array(random.random(len(aircraft)) < 0.12))
    landed = flights.filter(
        pc.and_(pc.is_in(flights.column("tailnum"), chosen), pc.is_valid(flights.column("arr_delay")))
    )
    shuffled = landed.column("arr_delay").take(random.permutation(landed.num_rows))
    load(
        place.run,
        tmp_path,
        "flights_sample",
        landed.set_column(landed.column_names.index("arr_delay"), "arr_delay", shuffled),
    )
    load(place.run, tmp_path, "weather", read_sample("weather"))
    config, query = tmp_path / "flights.yaml", tmp_path / "queries" / "flights.sql"
    text = (ROOT / "configs" / "flights.yaml").read_text(encoding="utf-8")
    config.write_text(text.replace("tables: [flights, weather]", "tables: [flights_sample, weather]"), encoding="utf-8")
    query.parent.mkdir()
    sql = (ROOT / "configs" / "queries" / "flights.sql").read_text(encoding="utf-8")
    query.write_text(sql.replace("{flights}", "{flights_sample}"), encoding="utf-8")
    labels = (ROOT / "configs" / "queries" / "flights_labels.sql").read_text(encoding="utf-8")
    query.with_name("flights_labels.sql").write_text(labels, encoding="utf-8")
    blocked = place.run("run-local", "--config", str(config))
    assert blocked.returncode == 3, blocked.stdout + blocked.stderr
    assert "BLOCKED at signal: the features say no more of the label than chance" in blocked.stdout
    assert "signal     done" in blocked.stdout
    assert "train      running" not in blocked.stdout


@pytest.mark.parametrize(
    ("change", "status", "wanted"),
    [
        (("query: queries/orders.sql", "query: queries/absent.sql"), 2, "there is no SQL file"),
        (("tables: [orders]", "tables: [orders, prices]"), 1, "prices"),
        (("basket_size", "bag_size"), 1, "does not give ['bag_size']"),
    ],
)
def test_bad_input_is_told_before_anything_is_trained(
    shop: Laptop, change: tuple[str, str], status: int, wanted: str
) -> None:
    """A missing file, an absent table, a column that the query lacks: one clear message each."""
    text = ORDERS.read_text(encoding="utf-8").replace(*change)
    config = shop.folder / "bad.yaml"
    config.write_text(text.replace("query: queries/orders", f"query: {ORDERS.parent}/queries/orders"), encoding="utf-8")
    ended = shop.run("run-local", "--config", str(config))
    assert ended.returncode == status, ended.stdout + ended.stderr
    assert wanted in ended.stdout + ended.stderr
    assert "train      running" not in ended.stdout


def test_a_taken_port_is_told(shop: Laptop) -> None:
    """Somebody else listens where the emulator should: the message says on which port and what to do."""
    content = yaml.safe_load(shop.env.read_text(encoding="utf-8"))
    port = int(content["endpoints"]["storage"].rpartition(":")[2])
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen()
        ended = shop.run("run-local", "--config", str(ORDERS))
    assert ended.returncode == 1
    assert str(port) in ended.stderr


def test_the_state_can_be_read_by_a_person(shop: Laptop) -> None:
    """What a run leaves are plain files: objects under their names, and the verdict as JSON."""
    verdicts = sorted((shop.folder / "emulator" / "gcs").glob("*/runs/*/evaluate/verdict"))
    assert verdicts
    assert json.loads(verdicts[0].read_text(encoding="utf-8"))["passed"] is True
