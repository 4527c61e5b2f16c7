"""What a run costs: quantities times prices, what has no price, and the limit that stops a dear run."""

import dataclasses
import datetime as dt
import re
from pathlib import Path

import pytest

from plumbline import cost
from plumbline.config import load_environment, load_problem
from plumbline.cost import Estimate, Facts, Line, Machines, check_cost, estimate, hourly, monthly, table
from plumbline.environment import Prices
from plumbline.errors import PlumblineError
from plumbline.hardware import PRESETS, Hardware
from plumbline.problem import ProblemConfig, Serving
from plumbline.prototype import AutoML, Prototype
from plumbline.reuse import USES
from plumbline.tuning import Parameter, Tuning

ROOT = Path(__file__).parents[3]
TIB = 2**40
PRICES = Prices(
    currency="USD",
    source="a page",
    date=dt.date(2026, 1, 1),
    query_tib=6.0,
    bigquery_ml_tib=10.0,
    automl_hour=20.0,
    pipeline_run=0.03,
    step_hour=0.2,
    training_hour={"n1-standard-8": 0.4, "NVIDIA_TESLA_T4": 0.5, "g2-standard-8": 1.0, "TPU_V3": 1.5},
    serving_hour={"n1-standard-2": 0.1, "NVIDIA_TESLA_T4": 0.5},
    spot_share=0.3,
)
NOTHING_RUN = Facts(features_bytes=TIB // 2, table_bytes=TIB // 4)
"""Half a TiB and a quarter of one."""


def config(hardware: Hardware | None = None, **serving: object) -> ProblemConfig:
    """The example's config, with a TiB as the limit of a query, an hour for training and half of one for a roll-out."""
    found = load_problem(ROOT / "configs" / "flights.yaml").config
    wanted = hardware or Hardware(timeout_s=3600)
    served = {"endpoint": "an-endpoint", "minimum_replicas": 1, "maximum_replicas": 3, "timeout_s": 1800, **serving}
    return dataclasses.replace(
        found,
        data=dataclasses.replace(found.data, maximum_bytes=TIB),
        training=dataclasses.replace(found.training, hardware=wanted),
        serving=Serving(**served),  # type: ignore[arg-type] # settings by name
    )


def amounts(found: Estimate) -> dict[str, tuple[float, float]]:
    """Expected and largest amount of each line of a run, to the cent of a cent."""
    return {line.what: (round(line.expected_amount, 4), round(line.most_amount, 4)) for line in found.run}


def test_every_part_of_a_first_run_is_its_quantity_times_its_price() -> None:
    """Without a run before, times are assumed, and limited by the config.

    Steps: assumed 120+300+180+120+120+600+120+1800+300+300+120+180+1200+120+120 = 5700 s; at most
    600+3600+1800+1800+1800+7200+600+(3600+600)+3600+3600+1800+2400+(1800+600)+1800+1800 = 39000 s. Roll-out: a staging
    replica and one beside the one that serves.
    """
    found = estimate(config(), PRICES, NOTHING_RUN)
    assert amounts(found) == {
        "query: features": (3.0, 6.0),
        "query: training rows": (1.5, 6.0),
        "query: prototypes": (3.0, 12.0),
        "prototypes: CREATE MODEL": (5.0, 20.0),
        "pipeline run": (0.03, 0.03),
        "machines of the steps": (round(0.2 * 5700 / 3600, 4), round(0.2 * 39000 / 3600, 4)),
        "training: n1-standard-8": (0.2, 0.4),
        "roll-out: n1-standard-2": (round(2 * 0.1 / 3, 4), 0.1),
    }
    assert found.expected == pytest.approx(3 + 1.5 + 3 + 5 + 0.03 + 0.3166667 + 0.2 + 0.0666667)
    assert found.at_most == pytest.approx(12 + 12 + 20 + 0.03 + 2.1666667 + 0.4 + 0.1)


def test_automl_costs_its_node_hours_and_what_waits_for_it() -> None:
    """Three node hours at 20; at most (2 x 3 + 2) + 2 = 10 hours of a step at 0.2, and 2 of a machine without price."""
    without = config()
    tried = dataclasses.replace(without, prototype=Prototype(models=(), automl=AutoML(budget_hours=3.0)))
    found = amounts(estimate(tried, PRICES, NOTHING_RUN))
    assert found["prototypes: AutoML"] == (60.0, 60.0)
    assert found["query: prototypes"] == (3.0, 12.0)
    assert "prototypes: CREATE MODEL" not in found
    before = amounts(estimate(without, PRICES, NOTHING_RUN))["machines of the steps"]
    waits = [now - then for now, then in zip(found["machines of the steps"], before, strict=True)]
    assert waits == pytest.approx([1.0, 2.0], abs=2e-4)
    assert estimate(tried, PRICES, NOTHING_RUN).unknown == ("prices.serving_hour.n1-standard-4",)


def test_models_of_bigquery_ml_have_no_price_but_their_own() -> None:
    """It is not that of a query: where it is not given, a run under a limit does not start."""
    found = estimate(config(), dataclasses.replace(PRICES, bigquery_ml_tib=None), NOTHING_RUN)
    with pytest.raises(PlumblineError, match=re.escape("no price for prices.bigquery_ml_tib")):
        check_cost(found, 1e9)


def test_serving_costs_by_the_month_and_is_no_part_of_a_run() -> None:
    """730 hours of the fewest and of the most replicas: 73 and 219."""
    [line] = estimate(config(), PRICES, NOTHING_RUN).monthly
    assert [line.expected_amount, line.most_amount] == pytest.approx([73.0, 219.0])


def test_the_last_run_s_times_take_the_place_of_what_is_assumed() -> None:
    """Training took 900 s: 0.1. A step that took longer than is assumed may take twice that."""
    seen = dataclasses.replace(NOTHING_RUN, seconds={"train": 900.0, "ingest": 3000.0, "deploy": 600.0})
    found = {line.what: line for line in estimate(config(), PRICES, seen).run}
    assert found["training: n1-standard-8"].expected_amount == pytest.approx(0.1)
    steps = found["machines of the steps"]
    assert steps.expected * 3600 == pytest.approx(5700 - 1800 + 900 - 300 + 3000 - 1200 + 600)
    assert steps.at_most * 3600 == pytest.approx(39000 - 3600 + 6000)
    assert found["roll-out: n1-standard-2"].expected == pytest.approx(2 * 600 / 3600)


def test_what_comes_from_the_cache_is_expected_to_cost_nothing_and_still_may() -> None:
    """An unchanged run reads nothing, trains nothing and rolls nothing out; its bounds stay."""
    cached = frozenset(USES)
    found = estimate(config(), PRICES, dataclasses.replace(NOTHING_RUN, reused=cached, rolls_out=False))
    assert amounts(found) == {
        "query: features": (0.0, 6.0),
        "query: training rows": (0.0, 6.0),
        "query: prototypes": (0.0, 12.0),
        "prototypes: CREATE MODEL": (0.0, 20.0),
        "pipeline run": (0.03, 0.03),
        # snapshot, register, deploy, monitor, report: 120+180+1200+120+120 s
        "machines of the steps": (round(0.2 * 1740 / 3600, 4), round(0.2 * 39000 / 3600, 4)),
        "training: n1-standard-8": (0.0, 0.4),
        "roll-out: n1-standard-2": (0.0, 0.1),
    }


@pytest.mark.parametrize(
    ("hardware", "wanted"),
    [
        # One hour at most; a replica is n1-standard-8 (0.4) with a T4 (0.5).
        ({"preset": "gpu", **PRESETS["gpu"]}, {"n1-standard-8": 0.4, "NVIDIA_TESLA_T4": 0.5}),
        ({**PRESETS["gpu"], "accelerator_count": 4}, {"n1-standard-8": 0.4, "NVIDIA_TESLA_T4": 2.0}),
        ({**PRESETS["multi-worker"]}, {"n1-standard-8": 1.6, "NVIDIA_TESLA_T4": 2.0}),
        ({**PRESETS["gpu"], "scheduling": "spot"}, {"n1-standard-8 (spot)": 0.12, "NVIDIA_TESLA_T4 (spot)": 0.15}),
        # The price of a G2 has its L4 in it.
        (
            {"machine_type": "g2-standard-8", "accelerator_type": "NVIDIA_L4", "accelerator_count": 1},
            {"g2-standard-8": 1},
        ),
        # Eight cores at 1.5; the host of a TPU is not charged.
        ({**PRESETS["tpu"]}, {"TPU_V3": 12.0}),
    ],
)
def test_training_is_charged_by_machine_and_accelerator(hardware: dict[str, object], wanted: dict[str, float]) -> None:
    """By replicas, less for spot; what a price includes is not charged twice."""
    found = estimate(config(Hardware(**{**hardware, "timeout_s": 3600})), PRICES, NOTHING_RUN)  # type: ignore[arg-type] # settings by name
    most = {line.what: line.most_amount for line in found.run if line.what.startswith("training")}
    assert most == {f"training: {kind}": pytest.approx(amount) for kind, amount in wanted.items()}


def test_the_step_that_waits_for_scarce_machines_is_paid_while_it_waits() -> None:
    """With flex_start the job may wait for `wait_s` before its time-out counts; its own machines cost nothing then."""
    waiting = Hardware(timeout_s=3600, scheduling="flex_start", wait_s=7200)
    found = {line.what: line for line in estimate(config(waiting), PRICES, NOTHING_RUN).run}
    assert found["machines of the steps"].at_most * 3600 == pytest.approx(39000 + 7200)
    assert found["training: n1-standard-8"].at_most == pytest.approx(1.0)


def test_each_trial_of_a_search_is_paid() -> None:
    """Five, two at a time, of a quarter of the epochs: 5 x 0.2 / 4, at most 5 x 0.4; the step waits three rounds."""
    searching = config()
    tuning = Tuning(parameters={"dropout": Parameter(values=(0.1, 0.2))}, trials=5, parallel=2, epochs=3)
    training = dataclasses.replace(searching.training, tuning=tuning)
    found = {
        line.what: line for line in estimate(dataclasses.replace(searching, training=training), PRICES, NOTHING_RUN).run
    }
    line, steps = found["tuning: n1-standard-8"], found["machines of the steps"]
    assert (line.expected_amount, line.most_amount) == pytest.approx((0.25, 2.0))
    assert steps.at_most * 3600 == pytest.approx(39000 + 3 * 3600)
    # 1,800 s of a training, a quarter of them, three times one after the other.
    assert steps.expected * 3600 == pytest.approx(5700 + 3 * 450)


def test_a_short_time_out_limits_what_is_expected_too() -> None:
    """Nothing is expected to take longer than it may."""
    short = config(Hardware(timeout_s=60), timeout_s=120)
    found = {line.what: line for line in estimate(short, PRICES, NOTHING_RUN).run}
    assert found["training: n1-standard-8"].expected == pytest.approx(60 / 3600)
    assert found["roll-out: n1-standard-2"].expected == pytest.approx(2 * 120 / 3600)


def test_serving_accelerators_are_charged_beside_their_machine() -> None:
    """One T4 a replica: 730 x (0.1 + 0.5)."""
    served = config(accelerator_type="NVIDIA_TESLA_T4", accelerator_count=1)
    found = estimate(served, PRICES, NOTHING_RUN).monthly
    assert sum(line.expected_amount for line in found) == pytest.approx(438.0)


def test_what_has_no_price_is_named_and_not_counted_as_free() -> None:
    """The table says what is unknown, and where its price belongs."""
    found = estimate(config(Hardware(machine_type="n1-highmem-8", timeout_s=3600)), PRICES, NOTHING_RUN)
    assert found.unknown == ("prices.training_hour.n1-highmem-8",)
    text = "\n".join(table(found))
    assert "no price for prices.training_hour.n1-highmem-8: the total leaves it out" in text
    assert re.search(r"training: n1-highmem-8 .* unknown +\? +\?", text)


def test_without_prices_quantities_are_told_and_nothing_has_a_price() -> None:
    """An environment without prices still gets a plan."""
    found = estimate(config(), None, NOTHING_RUN)
    assert [line.price for line in found.run] == [None] * 8
    assert found.at_most == 0
    assert not [row for row in table(found) if row.startswith("a run")], "a total of 0.00 would be a lie"
    check_cost(found, None)


def test_a_run_within_the_limit_may_start() -> None:
    """The bound counts, and one equal to the limit is within it."""
    found = estimate(config(), PRICES, NOTHING_RUN)
    check_cost(found, found.at_most)
    check_cost(found, None)


def test_a_run_that_may_cost_more_is_refused_with_its_dearest_parts() -> None:
    """The message has the limit, what the run may cost, and what to change, the dearest first."""
    with pytest.raises(PlumblineError) as caught:
        check_cost(estimate(config(), PRICES, NOTHING_RUN), 10.0)
    head, first, second, third = str(caught.value).splitlines()
    assert "max_run_cost is 10.00 USD, and the run may cost 46.70 (expected 13.11)" in head
    assert first.startswith("  prototypes: CREATE MODEL: up to 20.00; try fewer prototype.models")
    assert second.startswith("  query: prototypes: up to 12.00; narrow the query")
    assert third.startswith("  query: features: up to 6.00;")


def test_a_limit_refuses_what_cannot_be_priced() -> None:
    """It fails closed: a huge limit does not let an unknown price through."""
    found = estimate(config(Hardware(machine_type="n1-highmem-8")), PRICES, NOTHING_RUN)
    with pytest.raises(PlumblineError, match="no price for prices.training_hour.n1-highmem-8"):
        check_cost(found, 1e9)


def test_the_table_has_a_row_for_every_line_and_the_total() -> None:
    """Amounts are in the currency's hundredths."""
    rows = table(estimate(config(), PRICES, NOTHING_RUN))
    assert rows[0].endswith("USD")
    total = next(row for row in rows if row.startswith("a run"))
    assert total.split()[-2:] == ["13.11", "46.70"]
    assert rows[-1].split()[-2:] == ["73.00", "219.00"]


def test_replicas_have_a_price_by_the_month_and_the_hour_where_their_kind_has_one() -> None:
    """As the janitor tells it: 2 x 730 x 0.1, and 2 x (0.4 + 4 x 0.5)."""
    assert monthly(Machines("n1-standard-2"), 2, PRICES) == pytest.approx(146.0)
    assert hourly(Machines("n1-standard-8", "NVIDIA_TESLA_T4", 4), 2, PRICES) == pytest.approx(4.8)
    assert monthly(Machines("n1-standard-96"), 1, PRICES) is None
    assert hourly(Machines("n1-standard-8"), 1, None) is None


def test_every_step_of_the_graph_has_an_assumed_time() -> None:
    """A step that the estimate does not know would be free."""
    from plumbline.runs import STEPS  # noqa: PLC0415 - the one use

    assert tuple(cost.ASSUMED) == STEPS


@pytest.mark.parametrize("name", ["dev", "prod"])
def test_the_shipped_prices_cover_the_example(name: str) -> None:
    """The example's config can be run under a limit in either environment."""
    environment = load_environment(ROOT / "configs" / "env" / f"{name}.yaml", project="my-project")
    found = estimate(load_problem(ROOT / "configs" / "flights.yaml").config, environment.prices, Facts(0, 0))
    assert found.unknown == ()
    assert all(line.price for line in (*found.run, *found.monthly))


def test_a_line_without_a_price_has_no_amount() -> None:
    """Its quantities are still told."""
    line = Line("x", "hour", 1.0, 2.0, None, "prices.x", "")
    assert (line.expected_amount, line.most_amount) == (0.0, 0.0)
