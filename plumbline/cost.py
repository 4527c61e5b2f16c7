"""What a run will cost, and what serving costs a month: quantities times the prices of the environment.

An estimate is a range. What is expected comes from the last runs of the problem, or from `ASSUMED` before there are
any; at most is what the limits of the config allow (bytes, time-outs, replicas), and for steps, which have no limit of
their own, what is assumed. What has no price is named and never counted as free.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from plumbline.environment import Prices
from plumbline.errors import PlumblineError
from plumbline.hardware import Hardware
from plumbline.problem import ProblemConfig, Serving, Training
from plumbline.prototype import SCORING_MACHINE, SCORING_S, Prototype, training_limit_s
from plumbline.tuning import Tuning

HOURS_A_MONTH = 730.0
"""365 days of 24 hours, by 12."""
_TIB = 2**40
_HOUR_S = 3600.0
_PRICED_WITH_MACHINE = ("a2-", "a3-", "a4-", "a4x-", "ct5lp-", "g2-", "g4-")
"""Machines whose price includes their accelerators. Source: cloud.google.com/vertex-ai/pricing, notes of the tables."""
_PRICED_BY_ACCELERATOR = ("cloud-tpu",)
"""Machines that are charged by their accelerators alone."""
_CHARGED: Mapping[str, tuple[str, str]] = {
    "query_tib": ("TiB", "narrow the query, partition its tables, or lower data.maximum_bytes"),
    "bigquery_ml_tib": ("TiB", "try fewer prototype.models, or lower data.maximum_bytes"),
    "automl_hour": ("hour", "lower prototype.automl.budget_hours, or take prototype.automl away"),
    "pipeline_run": ("run", "run it less often"),
    "step_hour": ("hour", "lower training.hardware.timeout_s and serving.timeout_s, which steps wait for"),
}
"""Unit, and what makes it cheaper, by the key of the price."""


@dataclass(frozen=True, slots=True)
class Span:
    """How long something takes, in seconds."""

    expected: float
    at_most: float


ASSUMED: Mapping[str, Span] = {
    "snapshot": Span(120, 600),
    "ingest": Span(300, 3600),
    "validate": Span(180, 1800),
    "baseline": Span(120, 1800),
    "signal": Span(120, 1800),
    "prototype": Span(600, 7200),
    "tune": Span(120, 0),
    "train": Span(1800, 0),
    "evaluate": Span(300, 3600),
    "explain": Span(300, 3600),
    "card": Span(120, 1800),
    "register": Span(180, 2400),
    "deploy": Span(1200, 0),
    "monitor": Span(120, 1800),
    "report": Span(120, 1800),
}
"""Our guess for each step's machine, its start of one to two minutes included. The limit of `tune`, `train` and
`deploy` is the time-out in the config."""
_COLUMNS = "{:<34}{:>10}{:>10} {:<5}{:>10}{:>12}{:>10}"
_MARGIN_S = 600.0
"""What a step may need around the job or the deployment that it waits for."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What an estimate must know beside config and prices."""

    features_bytes: int
    """That the config's query reads, by a dry run."""
    table_bytes: int
    """Of the features table, which the second query reads."""
    reused: frozenset[str] = frozenset()
    """Steps whose results should come from the cache."""
    rolls_out: bool = True
    """Whether a version has to be deployed."""
    seconds: Mapping[str, float] = field(default_factory=dict)
    """How long each step took when it last ran; a step that never ran is not there."""


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that is paid for."""

    what: str
    unit: str
    expected: float
    """Quantity."""
    at_most: float
    """Quantity."""
    price: float | None
    """Of a unit; None where there is none in the environment."""
    key: str
    """Where the price stands in the environment's config."""
    advice: str
    """What makes it cheaper."""

    @property
    def expected_amount(self) -> float:
        """Expected quantity times price; 0 without a price."""
        return self.expected * (self.price or 0.0)

    @property
    def most_amount(self) -> float:
        """Largest quantity times price; 0 without a price."""
        return self.at_most * (self.price or 0.0)


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a run costs once, and what serving costs a month."""

    currency: str
    run: Sequence[Line]
    monthly: Sequence[Line]
    """Expected: with the fewest replicas; at most: with the most."""

    @property
    def expected(self) -> float:
        """Of a run, in the currency; what has no price is left out."""
        return sum(line.expected_amount for line in self.run)

    @property
    def at_most(self) -> float:
        """Of a run, in the currency; what has no price is left out."""
        return sum(line.most_amount for line in self.run)

    @property
    def unknown(self) -> Sequence[str]:
        """The keys of the prices that a run lacks."""
        return tuple(dict.fromkeys(line.key for line in self.run if line.price is None and line.at_most))


@dataclass(frozen=True, slots=True)
class Machines:
    """Machines of one kind."""

    machine_type: str
    accelerator_type: str = ""
    accelerator_count: int = 0
    """On each machine."""


@dataclass(frozen=True, slots=True)
class _Use:
    """Hours of machines, all of them together."""

    what: str
    machines: Machines
    hours: Span
    advice: str
    share: float = 1.0
    """Of the full price."""


def estimate(config: ProblemConfig, prices: Prices | None, facts: Facts) -> Estimate:
    """What a run of the problem costs, and what it serves with afterwards.

    Args:
        config: The problem's.
        prices: The environment's; None where it has none: then nothing has a price.
        facts: What was found out.
    """
    run = (
        *_queries(config.data.maximum_bytes, prices, facts),
        *_prototypes(config, prices, facts),
        _charged("pipeline run", "pipeline_run", Span(1, 1), prices),
        _charged("machines of the steps", "step_hour", _step_hours(config, facts), prices),
        *_training(config.training.hardware, prices, facts),
        *_tuning(config.training, prices, facts),
        *_roll_out(config.serving, prices, facts),
    )
    return Estimate(prices.currency if prices else "", run, tuple(_month(config.serving, prices)))


def check_cost(found: Estimate, limit: float | None) -> None:
    """Nothing, when a run can be submitted under `max_run_cost`: at most that much, and every price known.

    Raises:
        PlumblineError: It may cost more, or it cannot be told what it costs.
    """
    if limit is None:
        return
    bound = f"max_run_cost is {limit:.2f} {found.currency}"
    if found.unknown:
        raise PlumblineError(
            f"{bound}, and nobody can say what the run costs: no price for {', '.join(found.unknown)}. "
            "Write it into the environment's config, or choose what has a price (docs/cost.md)"
        )
    if found.at_most > limit:
        dear = sorted(found.run, key=lambda line: line.most_amount, reverse=True)[:3]
        lines = [f"  {line.what}: up to {line.most_amount:.2f}; {line.advice}" for line in dear if line.most_amount]
        told = f"{bound}, and the run may cost {found.at_most:.2f} (expected {found.expected:.2f})"
        raise PlumblineError("\n".join((f"{told}; nothing was submitted. The dearest parts:", *lines)))


def table(found: Estimate) -> Sequence[str]:
    """The estimate as lines of text for a terminal: quantities, price of a unit, amounts."""
    total = []
    if found.currency:
        total = [_COLUMNS.format("a run", "", "", "", "", _money(found.expected), _money(found.at_most))]
        total += [f"  no price for {key}: the total leaves it out" for key in found.unknown]
    return [
        _COLUMNS.format("", "expected", "at most", "", "price", "expected", "at most") + f"  {found.currency}",
        *map(_row, found.run),
        *total,
        "serving, a month, with the fewest and the most replicas",
        *map(_row, found.monthly),
    ]


def monthly(machines: Machines, replicas: int, prices: Prices | None) -> float | None:
    """What so many serving replicas cost a month; None where a price is missing."""
    hours = Span(replicas * HOURS_A_MONTH, replicas * HOURS_A_MONTH)
    return _known(_machine_lines(_Use("", machines, hours, ""), prices, "serving_hour"))


def hourly(machines: Machines, replicas: int, prices: Prices | None) -> float | None:
    """What so many training replicas cost an hour; None where a price is missing."""
    return _known(_machine_lines(_Use("", machines, Span(replicas, replicas), ""), prices, "training_hour"))


def _queries(maximum: int, prices: Prices | None, facts: Facts) -> Iterator[Line]:
    cached = "ingest" in facts.reused
    for what, found in (("query: features", facts.features_bytes), ("query: training rows", facts.table_bytes)):
        read = Span(0 if cached else found / _TIB, maximum / _TIB)
        yield _charged(what, "query_tib", read, prices)


def _prototypes(config: ProblemConfig, prices: Prices | None, facts: Facts) -> Iterator[Line]:
    """Each model reads the training rows at a price of its own, and the rows that it scores at that of a query."""
    automl, limit = config.prototype.automl, config.data.maximum_bytes
    fits, share = len(config.prototype.models), 0.0 if "prototype" in facts.reused else 1.0
    queries = fits + (2 if automl else 0)
    read = Span(share * facts.table_bytes / _TIB, limit / _TIB)
    yield _charged("query: prototypes", "query_tib", _times(read, queries), prices)
    if fits:
        yield _charged("prototypes: CREATE MODEL", "bigquery_ml_tib", _times(read, fits), prices)
    if automl:
        budget = Span(share * automl.budget_hours, automl.budget_hours)
        yield _charged("prototypes: AutoML", "automl_hour", budget, prices)
        hours = Span(share * SCORING_S / _HOUR_S / 4, SCORING_S / _HOUR_S)
        use = _Use("AutoML scores", Machines(SCORING_MACHINE), hours, _CHARGED["automl_hour"][1])
        yield from _machine_lines(use, prices, "serving_hour")


def _automl_s(prototype: Prototype) -> Span:
    """How long the step waits for AutoML."""
    if prototype.automl is None:
        return Span(0, 0)
    longest = training_limit_s(prototype.automl) + SCORING_S
    return Span(longest / 2, longest)


def _step_hours(config: ProblemConfig, facts: Facts) -> Span:
    """Hours of all steps' machines. The step that waits for training, and the one that waits for the roll-out, too."""
    spans = [_step(name, assumed, config, facts) for name, assumed in ASSUMED.items()]
    return Span(sum(span.expected for span in spans) / _HOUR_S, sum(span.at_most for span in spans) / _HOUR_S)


def _step(name: str, assumed: Span, config: ProblemConfig, facts: Facts) -> Span:
    seen = facts.seconds.get(name)
    waits = _automl_s(config.prototype) if name == "prototype" else Span(0, 0)
    rounds = _rounds(config.training.tuning) if name == "tune" else 0
    usual = assumed.expected + rounds * _trial_s(config.training, facts) + waits.expected
    expected = 0.0 if name in facts.reused else usual if seen is None else seen
    # Nothing ends a step that hangs but Vertex AI's seven days; twice what it took is no promise either.
    one, tuning = _longest_training_s(config.training.hardware), config.training.tuning
    longest = {"train": one, "deploy": float(config.serving.timeout_s), "tune": one * _rounds(tuning)}
    at_most = longest[name] + _MARGIN_S if name in longest else max(assumed.at_most + waits.at_most, 2 * (seen or 0.0))
    return Span(min(expected, at_most), at_most)


def _longest_training_s(hardware: Hardware) -> float:
    return float(hardware.timeout_s + (hardware.wait_s if hardware.scheduling != "standard" else 0))


def _training(hardware: Hardware, prices: Prices | None, facts: Facts) -> Iterator[Line]:
    seconds = min(facts.seconds.get("train", ASSUMED["train"].expected), hardware.timeout_s)
    hours = Span(0 if "train" in facts.reused else seconds / _HOUR_S, hardware.timeout_s / _HOUR_S)
    use = _Use(
        what="training",
        machines=Machines(hardware.machine_type, hardware.accelerator_type, hardware.accelerator_count),
        hours=_times(hours, hardware.replicas),
        advice="lower training.hardware.timeout_s, or take cheaper hardware, fewer replicas or scheduling: spot",
        share=prices.spot_share if prices and hardware.scheduling == "spot" else 1.0,
    )
    return _machine_lines(use, prices, "training_hour")


def _tuning(training: Training, prices: Prices | None, facts: Facts) -> Iterator[Line]:
    """The trials of a search: each is a training, with the epochs of a trial."""
    tuning, hardware = training.tuning, training.hardware
    if tuning is None:
        return
    hours = Span(0 if "tune" in facts.reused else _trial_s(training, facts) / _HOUR_S, hardware.timeout_s / _HOUR_S)
    use = _Use(
        what="tuning",
        machines=Machines(hardware.machine_type, hardware.accelerator_type, hardware.accelerator_count),
        hours=_times(hours, tuning.trials * hardware.replicas),
        advice="fewer training.tuning.trials or epochs, or a lower training.hardware.timeout_s",
        share=prices.spot_share if prices and hardware.scheduling == "spot" else 1.0,
    )
    yield from _machine_lines(use, prices, "training_hour")


def _trial_s(training: Training, facts: Facts) -> float:
    """What a trial is expected to take: a training's time, by the share of its epochs."""
    seconds = min(facts.seconds.get("train", ASSUMED["train"].expected), training.hardware.timeout_s)
    epochs = training.tuning.epochs if training.tuning else None
    return seconds * (epochs or training.epochs) / training.epochs


def _rounds(tuning: Tuning | None) -> int:
    """How many trials a search has one after the other."""
    return 0 if tuning is None else -(-tuning.trials // tuning.parallel)


def _roll_out(serving: Serving, prices: Prices | None, facts: Facts) -> Iterator[Line]:
    """The staging replica of the smoke test, and the new version's replicas beside those that serve."""
    seconds = min(facts.seconds.get("deploy", ASSUMED["deploy"].expected), serving.timeout_s)
    hours = Span(seconds / _HOUR_S if facts.rolls_out else 0, serving.timeout_s / _HOUR_S)
    use = _Use(
        what="roll-out",
        machines=_serving_machines(serving),
        hours=_times(hours, 1 + serving.minimum_replicas),
        advice="lower serving.timeout_s or serving.minimum_replicas, or take a smaller serving.machine_type",
    )
    return _machine_lines(use, prices, "serving_hour")


def _month(serving: Serving, prices: Prices | None) -> Iterator[Line]:
    replicas = Span(serving.minimum_replicas, serving.maximum_replicas)
    hours = Span(replicas.expected * HOURS_A_MONTH, replicas.at_most * HOURS_A_MONTH)
    use = _Use("serving", _serving_machines(serving), hours, "fewer replicas, or a smaller machine")
    return _machine_lines(use, prices, "serving_hour")


def _serving_machines(serving: Serving) -> Machines:
    return Machines(serving.machine_type, serving.accelerator_type, serving.accelerator_count)


def _machine_lines(use: _Use, prices: Prices | None, section: str) -> Iterator[Line]:
    """A line for the machines and one for their accelerators, as far as each is charged."""
    machines = use.machines
    counted = {} if machines.machine_type in _PRICED_BY_ACCELERATOR else {machines.machine_type: 1}
    if machines.accelerator_type and not machines.machine_type.startswith(_PRICED_WITH_MACHINE):
        counted[machines.accelerator_type] = machines.accelerator_count
    known: Mapping[str, float] = getattr(prices, section) if prices else {}
    for kind, count in counted.items():
        price = known[kind] * use.share if kind in known else None
        hours = _times(use.hours, count)
        what = f"{use.what}: {kind}" + (" (spot)" if use.share < 1 else "")
        yield Line(what, "hour", hours.expected, hours.at_most, price, f"prices.{section}.{kind}", use.advice)


def _charged(what: str, key: str, quantity: Span, prices: Prices | None) -> Line:
    """A line for what has one price, whatever the machine; None where the environment does not say it."""
    unit, advice = _CHARGED[key]
    price = getattr(prices, key, None)
    return Line(what, unit, quantity.expected, quantity.at_most, price, f"prices.{key}", advice)


def _known(lines: Iterator[Line]) -> float | None:
    found = list(lines)
    return None if any(line.price is None for line in found) else sum(line.expected_amount for line in found)


def _times(span: Span, factor: float) -> Span:
    return Span(span.expected * factor, span.at_most * factor)


def _row(line: Line) -> str:
    quantities = (f"{line.expected:.4g}", f"{line.at_most:.4g}", line.unit)
    if line.price is None:
        return _COLUMNS.format(line.what, *quantities, "unknown", "?", "?")
    return _COLUMNS.format(
        line.what, *quantities, f"{line.price:.4g}", _money(line.expected_amount), _money(line.most_amount)
    )


def _money(amount: float) -> str:
    return f"{amount:.2f}"
