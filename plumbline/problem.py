"""The vocabulary of a problem: everything that Python knows of `configs/<problem>.yaml`."""

import datetime as dt
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from plumbline.canary import Canary
from plumbline.continuous import Observation, Retraining
from plumbline.dataflow import Beam
from plumbline.explanation import Explanation
from plumbline.hardware import Hardware
from plumbline.imbalance import Imbalance
from plumbline.load import LoadProfile
from plumbline.measures import Measures
from plumbline.operating_point import Threshold
from plumbline.prototype import Prototype
from plumbline.section import Count, Fraction, Name, Names, Positive, Text, section, unique
from plumbline.signal import Signal
from plumbline.statement import Statement
from plumbline.tuning import Tuning

ColumnType = Literal["numeric", "categorical", "boolean", "timestamp"]
TimePart = Literal["minute_of_day", "hour", "weekday", "month", "day_of_year"]
_SHARED_TIMEOUT_S = 60
Comparison = Literal["today", "prevalence", "champion", "logistic_regression", "boosted_trees", "automl"]


@section
class Column:
    """One value known at prediction time: of which type, and what it may be."""

    type: ColumnType
    """numeric (FLOAT64, INT64, NUMERIC), categorical (STRING, INT64), boolean (BOOL), timestamp (DATETIME)."""
    column: Name | Literal[""] = ""
    """The query's column, where it is not called as the feature."""
    part: TimePart | Literal[""] = ""
    """For a timestamp: the part that is meant."""
    unit: str = ""
    description: str = ""
    minimum: float | None = None
    maximum: float | None = None
    """Bounds of a number, or of a part of a time: outside of them a value is a fault."""
    deviation: tuple[Positive, Positive] | None = None
    """Between which bounds the standard deviation of a number lies: in other units it would not."""
    nullable: bool = True
    group: str = ""
    """Features of one group come from one source; the report and ablations name them together."""

    @model_validator(mode="after")
    def _consistent(self) -> "Column":
        if (self.type == "timestamp") != bool(self.part):
            raise ValueError("part belongs to a timestamp, and a timestamp needs one")
        bounds = self.minimum is not None or self.maximum is not None
        if self.type not in {"numeric", "timestamp"} and bounds:
            raise ValueError(f"minimum and maximum belong to a number or a part of a time, this column is {self.type}")
        if self.deviation and (self.type != "numeric" or self.deviation[0] >= self.deviation[1]):
            raise ValueError("deviation is two ascending bounds and belongs to a numeric column")
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            raise ValueError(f"minimum {self.minimum:g} is above maximum {self.maximum:g}")
        return self


@section
class Label:
    """What is to be predicted."""

    column: Name
    positive: bool | Annotated[int, Field(strict=True)] | Annotated[str, Field(strict=True)]
    """The value that counts as positive; every other value is negative."""
    description: str = ""


@section
class Window:
    """A half-open stretch of time: from the start of `start` up to, not including, `end`."""

    start: dt.date
    end: dt.date

    @model_validator(mode="after")
    def _ordered(self) -> "Window":
        if self.start >= self.end:
            raise ValueError(f"start must lie before end, got {self.start} and {self.end}")
        return self


@section
class Split:
    """Which stretch of time trains, which chooses, which judges."""

    train: Window
    validation: Window
    test: Window

    @model_validator(mode="after")
    def _in_order(self) -> "Split":
        if not (self.train.end <= self.validation.start and self.validation.end <= self.test.start):
            raise ValueError("train, validation and test must follow each other in time without overlap")
        return self


@section
class Data:
    """Where the rows come from and what is in them."""

    query: Text
    """The SQL file, relative to the config. `{table}` in it stands for each of `tables`."""
    tables: Annotated[Names, Field(min_length=1)]
    """The source tables, in the dataset that the environment names."""
    key: Annotated[Names, Field(min_length=1)]
    """The columns that tell a row from every other."""
    time: Name
    """The column that puts a row into a split: the time that the prediction is about, DATETIME or TIMESTAMP."""
    label: Label
    split: Split
    features: Annotated[Mapping[Name, Column], Field(min_length=1)]
    """What the model sees."""
    attributes: Mapping[Name, Column] = Field(default_factory=dict)
    """What the model does not see: used for slices, baselines and the smoke test only."""
    known_afterwards: Names = ()
    """Columns of the source tables that are not known yet when a prediction is asked for: none may be a feature."""
    maximum_bytes: Annotated[int, Field(gt=0)] = 10_000_000_000
    """The query is refused when it would read more than this."""

    @model_validator(mode="after")
    def _no_leak(self) -> "Data":
        if both := sorted(set(self.features) & set(self.attributes)):
            raise ValueError(f"both feature and attribute: {both}")
        if self.label.column in {column.column or name for name, column in self.features.items()}:
            raise ValueError(f"the label {self.label.column} is among the features")
        return self


@section
class Validation:
    """When data is fit to train on."""

    minimum_rows: Mapping[Literal["train", "validation", "test"], Count]
    minimum_positives: Count = 100
    """In each split."""
    maximum_null_fraction: Fraction = 0.5
    """In any feature of any split, where the column does not say that it is never null."""
    maximum_unseen_fraction: Fraction = 0.01
    """Of a split's rows whose category does not occur in training."""
    maximum_duplicate_fraction: Fraction = 0.001
    """Of a split's rows that are the same as another in everything but the key."""
    maximum_shift: Positive = 0.3
    """From training to each other split: Jensen-Shannon divergence (numbers), L-infinity distance (categories)."""
    maximum_time_shift: Positive = 0.1
    """The same for hours and weekdays of a time: L-infinity distance. Months differ by construction of the split."""
    maximum_day_factor: Annotated[float, Field(gt=1)] | None = None
    """A day may have so many times the rows of its split's median day; unchecked where nothing is said."""
    shift_exempt: Names = ()
    """Features whose shift is known and accepted, such as the season in a split by time."""
    maximum_single_auc: Annotated[float, Field(gt=0.5, le=1)] = 0.95
    """A single feature that ranks the label better than this gives the answer away."""


@section
class Baseline:
    """How the task is done today, as a computation: the historical rate of positives by these columns."""

    by: Annotated[Names, Field(min_length=1)]
    smoothing: Annotated[float, Field(ge=0)] = 20.0
    """Rows at the overall rate that each group starts with."""


@section
class Network:
    """The shape of the network."""

    hidden: Annotated[tuple[Count, ...], Field(min_length=1)] = (128, 64)
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.2
    embedding: Count = 8
    """Width of a category's embedding."""
    architecture: Literal["deep", "wide_and_deep", "ensemble"] = "deep"
    """wide_and_deep: a linear model of the encoded values, categories crossed, beside the network; ensemble: the mean
    of several networks."""
    members: Annotated[int, Field(ge=2, le=20, strict=True)] = 5
    """Of an ensemble."""


@section
class Training:
    """How the model is fitted."""

    epochs: Count = 20
    batch_size: Count = 1024
    learning_rate: Positive = 1e-3
    patience: Count = 3
    """Epochs without a better validation AUC-PR before training stops."""
    seed: Annotated[int, Field(ge=0)] = 7
    network: Network = Field(default_factory=Network)
    imbalance: Imbalance = Field(default_factory=Imbalance)
    tuning: Tuning | None = None
    """A search before the training; none where nothing is said."""
    hardware: Hardware = Field(default_factory=Hardware)
    mixed_precision: bool = False
    """Computes in 16 bits what it can: float16 on a GPU, bfloat16 on a TPU. The exported model is float32."""
    xla: bool = False
    """Compiles the step with XLA: for one GPU. On a CPU it is slower, with several replicas it is left off."""
    memory_gb: Positive = 4.0
    """Encoded rows of up to so many gigabytes are held in memory; more are streamed from the disk of the machine."""


Metric = Literal[
    "auc_pr", "auc", "precision", "recall", "calibration", "calibration_error", "example_count", "positives"
]


@section
class Gate:
    """One condition that a model must meet. Exactly one of minimum, maximum, margin and gap is given."""

    metric: Metric
    by: Names = ()
    """The slicing columns: the gate holds for each of their slices. Empty: for all rows together."""
    minimum: float | None = None
    maximum: float | None = None
    against: Comparison | Literal[""] = ""
    margin: float | None = None
    """The metric must be at least that of `against` plus this; a negative margin allows a drop."""
    gap: Annotated[float, Field(gt=0, le=1)] | None = None
    """Between the slices by `by` the metric may differ by this at most: recall for equal opportunity."""
    in_service: bool = True
    """Whether it also judges the model that serves, window by window; one against another model never does."""

    @field_validator("metric", mode="before")
    @classmethod
    def _not_accuracy(cls, metric: object) -> object:
        if metric == "accuracy":
            raise ValueError(
                "accuracy rewards a model that always says no where one class is rare: take auc_pr, recall or precision"
            )
        return metric

    @model_validator(mode="after")
    def _one_bound(self) -> "Gate":
        given = [name for name in ("minimum", "maximum", "margin", "gap") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"a gate has exactly one of minimum, maximum, margin and gap, got {given or 'none'}")
        if (self.margin is None) != (not self.against):
            raise ValueError("against and margin belong together")
        if self.gap is not None and not self.by:
            raise ValueError("a gap is between slices: it needs columns in by")
        return self


@section
class Evaluation:
    """How a model is judged."""

    threshold: Threshold = 0.5
    """A score above this is a positive decision; a score equal to it is not, as TFMA counts. Or the rule by which it is
    chosen on the validation split."""
    slices: Annotated[tuple[Names, ...], Field(min_length=1), AfterValidator(unique)]
    """Each entry is a set of columns; the empty one is all rows together."""
    minimum_count: Count = 200
    """Rows that a slice needs before a gate judges it; a smaller one is reported, and named as too small."""
    minimum_positives: Count = 20
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = 0.95
    gates: Annotated[tuple[Gate, ...], Field(min_length=1)]
    engine: Literal["vectorised", "tfma"] = "vectorised"
    """vectorised: histograms in numpy, same numbers; tfma: TensorFlow Model Analysis on Beam, the reference."""
    measures: Measures = Field(default_factory=Measures)
    beam: Beam = Field(default_factory=Beam)

    @model_validator(mode="after")
    def _beam_for_tfma(self) -> "Evaluation":
        if self.beam.runner != "direct" and self.engine != "tfma":
            raise ValueError("beam is for engine tfma: the vectorised engine runs in the step itself")
        return self


@section
class Serving:
    """What answers predictions."""

    endpoint: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,61}[a-z0-9]$")]
    machine_type: Text = "n1-standard-2"
    accelerator_type: str = ""
    accelerator_count: Annotated[int, Field(ge=0)] = 0
    minimum_replicas: Count = 1
    maximum_replicas: Count = 3
    target_utilisation: Annotated[int, Field(ge=1, le=100, strict=True)] = 60
    """Per cent of CPU (and of the accelerator, where there is one) that autoscaling aims at."""
    timeout_s: Count = 1800
    """How long a deployment may take."""
    request_logging: Fraction = 1.0
    """Share of the predictions that Vertex AI logs to BigQuery. Only a new endpoint takes another one."""
    smoke_rows: Count = 16
    smoke_tolerance: Positive = 1e-4
    """Largest difference between an online score and the offline score of the same row."""
    load: LoadProfile | None = None
    """What the endpoint must bear; unchecked where nothing is said."""
    canary: Canary = Field(default_factory=Canary)
    """How the traffic moves from the version before."""
    endpoint_type: Literal["dedicated", "shared"] = "dedicated"
    """dedicated: a domain name of its own, requests of up to 10 MB and `request_timeout_s`; shared: 1.5 MB and 60 s. An
    endpoint keeps the type that it was made with."""
    request_timeout_s: Annotated[int, Field(ge=1, le=3600, strict=True)] = 60
    """Of one prediction."""

    @model_validator(mode="after")
    def _replicas(self) -> "Serving":
        if self.maximum_replicas < self.minimum_replicas:
            raise ValueError(
                f"maximum_replicas must be >= minimum_replicas, got {self.maximum_replicas} < {self.minimum_replicas}"
            )
        if self.canary.shadow and not self.request_logging:
            raise ValueError("canary.shadow reads logged requests: request_logging must be > 0")
        if self.endpoint_type == "shared" and self.request_timeout_s > _SHARED_TIMEOUT_S:
            raise ValueError(f"a shared endpoint waits {_SHARED_TIMEOUT_S} s at most, got {self.request_timeout_s}")
        if bool(self.accelerator_type) != bool(self.accelerator_count):
            raise ValueError("accelerator_type and accelerator_count belong together")
        return self


@section
class Monitoring:
    """What is watched once the model serves."""

    sampling_rate: Annotated[float, Field(gt=0, le=1)] = 1.0
    interval_hours: Count = 24
    skew_threshold: Positive = 0.3
    """Default distance between training and serving; `skew` overrides it by feature."""
    drift_threshold: Positive = 0.3
    """Default distance between serving now and serving before; `drift` overrides it by feature."""
    skew: Mapping[Name, Positive] = Field(default_factory=dict)
    drift: Mapping[Name, Positive] = Field(default_factory=dict)
    prediction_drift: Mapping[Annotated[str, Field(pattern=r"^(score|decision)$")], Positive] = Field(
        default_factory=lambda: {"score": 0.3, "decision": 0.3}
    )
    """Distances of what is answered now from what was answered before; only `make monitor` looks at them."""
    minimum_values: Count = 100
    """Values on each side below which `make monitor` judges no distance: it would say more of chance."""
    emails: Annotated[tuple[Annotated[str, Field(pattern=r"^\S+@\S+\.\S+$")], ...], Field(min_length=1)]


@section
class ProblemConfig:
    """All of `configs/<problem>.yaml`."""

    name: Name
    statement: Statement
    data: Data
    validation: Validation
    baseline: Baseline
    signal: Signal = Field(default_factory=Signal)
    prototype: Prototype = Field(default_factory=Prototype)
    training: Training = Field(default_factory=Training)
    evaluation: Evaluation
    explanation: Explanation = Field(default_factory=Explanation)
    serving: Serving
    monitoring: Monitoring
    observation: Observation | None = None
    """How the model is judged while it serves; it is not where nothing is said."""
    retraining: Retraining | None = None
    """When a training starts by itself; never where nothing is said."""

    @model_validator(mode="after")
    def _decided_somewhere(self) -> "ProblemConfig":
        if self.retraining and not self.observation:
            raise ValueError("retraining is decided by the evaluation pipeline: it needs a section observation")
        return self
