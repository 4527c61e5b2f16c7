"""Drills of the data: problem 9, before anything is trained."""

from drills.drill import Caught, Drill, Edit, Fault, Without
from drills.faults import (
    added,
    dropped,
    later,
    scaled,
    set_to,
    told_by_the_label,
    twice,
    with_feature,
    without_bounds,
)

DATA = (
    Drill(
        name="leakage",
        problem=9,
        wrong="A column that is known only afterwards is a feature",
        guard="the config: no feature may be a column of `data.known_afterwards`",
        setting="data.known_afterwards",
        fault=Fault(
            config=with_feature("departure_delay", type="numeric", unit="minutes"),
            select={"departure_delay": "departure_delay"},
        ),
        caught=Caught("refused", ("departure_delay.*known.*after",)),
        without=Without(config=set_to("data.known_afterwards", [])),
    ),
    Drill(
        name="leakage_renamed",
        problem=9,
        wrong="A column that is known only afterwards is a feature, under another name",
        guard="the check of each feature alone: one that ranks the label nearly perfectly was made from it",
        setting="validation.maximum_single_auc",
        fault=Fault(
            config=with_feature("punctuality", type="numeric"), select={"punctuality": "arrival_delay / 60 + 1"}
        ),
        caught=Caught("blocked", ("BLOCKED at validate: .*gives the answer away punctuality",)),
        without=Without(config=set_to("validation.maximum_single_auc", 1.0)),
    ),
    Drill(
        name="label_in_a_feature",
        problem=9,
        wrong="A category was written down when the answer was known already",
        guard="the check of each feature alone, of categories and of missing values too",
        setting="validation.maximum_single_auc",
        fault=Fault(
            rows=added("handling", told_by_the_label),
            config=with_feature("handling", type="categorical"),
            select={"handling": "handling"},
        ),
        caught=Caught("blocked", ("BLOCKED at validate: .*gives the answer away handling",)),
        without=Without(config=set_to("validation.maximum_single_auc", 1.0)),
    ),
    Drill(
        name="column_grown",
        problem=9,
        wrong="The table has grown a column, and the query takes whatever there is",
        guard="ingest: a column that the config does not declare is refused, before the query runs",
        setting="data.features, data.attributes",
        fault=Fault(
            rows=added("remark", lambda rows, random: random.integers(0, 9, rows.num_rows)),
            star=True,
        ),
        caught=Caught("failed", ("FAILED at ingest: .*remark",)),
        without=Without(
            code=(
                Edit(
                    "plumbline/ingestion.py",
                    "if more := [name for name in have if name not in wanted]:",
                    "if more := list[str]():",
                ),
            )
        ),
    ),
    Drill(
        name="column_lost",
        problem=9,
        wrong="The table has lost a column",
        guard="ingest: the query is tried before it runs, and the message names column and query",
        setting="data.query",
        fault=Fault(rows=dropped("visibility")),
        caught=Caught("failed", ("FAILED at ingest: .*visibility",), silent=("train +running",)),
        without=Without(
            code=(
                Edit(
                    "plumbline/adapters/bigquery.py",
                    'raise DataError(f"BigQuery refuses the query: {error.message}")',
                    'raise DataError("something went wrong")',
                ),
            )
        ),
    ),
    Drill(
        name="units",
        problem=9,
        wrong="Minutes have become hours, in all rows",
        guard="the check of the usual scale of a column",
        setting="data.features (usual scale)",
        fault=Fault(rows=scaled("previous_arrival_delay", 1 / 60)),
        caught=Caught("blocked", ("BLOCKED at validate: .*previous_arrival_delay",)),
        without=Without(config=without_bounds("previous_arrival_delay")),
    ),
    Drill(
        name="units_since",
        problem=9,
        wrong="Minutes have become hours, from one day on",
        guard="the shift between the training split and the others",
        setting="validation.maximum_shift",
        fault=Fault(
            rows=scaled("airport_departure_delay", 1 / 60, since="2013-11-01"),
            config=without_bounds("airport_departure_delay"),
        ),
        caught=Caught("blocked", (r"BLOCKED at validate: .*shift airport_departure_delay \(test\)",)),
        without=Without(config=set_to("validation.maximum_shift", 2.0)),
    ),
    Drill(
        name="duplicated_day",
        problem=9,
        wrong="A day was loaded twice",
        guard="the check of the keys: each row once",
        setting="data.key",
        fault=Fault(rows=twice("2013-03-05", anew=False)),
        caught=Caught("blocked", ("BLOCKED at validate: .*duplicate keys flight_id",)),
        without=Without(code=(Edit("plumbline/validation.py", "passed=not duplicates)", "passed=True)"),)),
    ),
    Drill(
        name="duplicated_day_anew",
        problem=9,
        wrong="A day was loaded twice, under new keys",
        guard="the check of rows that differ in their key alone",
        setting="validation.maximum_duplicate_fraction",
        fault=Fault(rows=twice("2013-03-05", anew=True)),
        caught=Caught("blocked", ("BLOCKED at validate: .*duplicate",)),
        without=Without(config=set_to("validation.maximum_duplicate_fraction", 1.0)),
    ),
    Drill(
        name="time_zone",
        problem=9,
        wrong="The times are on the clock of another time zone",
        guard="the range of a part of the time: no flight departs at four in the morning",
        setting="data.features (minimum, maximum of a timestamp's part)",
        fault=Fault(rows=later(5)),
        caught=Caught("blocked", ("BLOCKED at validate: .*hour",)),
        without=Without(config=without_bounds("hour", "minute_of_day")),
    ),
    Drill(
        name="future_rows",
        problem=9,
        wrong="Rows of the test months are in the training split",
        guard="the config: the splits follow each other in time; validate looks at the rows themselves, too",
        setting="data.split",
        fault=Fault(config=set_to("data.split.train.end", "2013-12-01")),
        caught=Caught("refused", ("train, validation and test must follow each other in time",)),
        without=Without(
            code=(
                Edit(
                    "plumbline/problem.py",
                    "if not (self.train.end <= self.validation.start and",
                    "if not (True or self.validation.end and",
                ),
            )
        ),
    ),
    Drill(
        name="drifted_month",
        problem=9,
        wrong="The last months are not like those that the model learns from",
        guard="the shift between the training split and the others",
        setting="validation.maximum_shift, validation.shift_exempt",
        fault=Fault(rows=scaled("humidity", 0.2, since="2013-11-01")),
        caught=Caught("blocked", (r"BLOCKED at validate: .*shift humidity \(test\)",)),
        without=Without(config=set_to("validation.maximum_shift", 2.0)),
    ),
)
