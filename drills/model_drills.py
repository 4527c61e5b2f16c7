"""Drills of the goal, the fit, the classes, the slices and the explanation: problems 1 to 8."""

from drills.drill import Caught, Drill, Edit, Fault, Without
from drills.faults import (
    added,
    also,
    fewer_positives,
    keep_gates,
    none_late,
    only_features,
    set_to,
    shuffled,
    with_feature,
    without_gate,
)

MODEL = (
    Drill(
        name="no_better_than_today",
        problem=1,
        wrong="The model is no better than the way things are done today",
        guard="a gate against `today`, the historical rate by the columns of `baseline`, on the same rows",
        setting="baseline.by, evaluation.gates (against: today)",
        fault=Fault(config=also(only_features("carrier", "hour"), set_to("evaluation.gates.0.minimum", 0.02))),
        caught=Caught("blocked", (r"BLOCKED at evaluate: blocked: auc_pr on all rows: .*\(today \+0\.03\)",)),
        without=Without(config=without_gate(against="today")),
    ),
    Drill(
        name="shuffled_labels",
        problem=2,
        wrong="The features say nothing of the label: no model can help",
        guard="the signal check: a quick model against the same model on shuffled labels, before the costly job",
        setting="signal.margin, signal.shuffles",
        fault=Fault(rows=shuffled("late")),
        caught=Caught("blocked", ("BLOCKED at signal: .*chance",), silent=("train +running",)),
        without=Without(
            code=(
                Edit(
                    "plumbline/signal_check.py", "if found.auc_pr <= chance + signal.margin:", "if found.auc_pr < 0.0:"
                ),
            )
        ),
    ),
    Drill(
        name="worse_than_prototype",
        problem=3,
        wrong="A costly model is worse than one that takes a minute to make",
        guard="a gate against the quick prototypes, logistic regression and boosted trees",
        setting="prototype.models, evaluation.gates (against: logistic_regression)",
        fault=Fault(
            config=also(
                set_to("training.epochs", 1),
                set_to("training.learning_rate", 1e-7),
                keep_gates("logistic_regression", {"metric": "auc", "minimum": 0.01}),
            )
        ),
        caught=Caught("blocked", (r"BLOCKED at evaluate: blocked: auc_pr on all rows: .*\(logistic_regression",)),
        without=Without(config=without_gate(against="logistic_regression")),
    ),
    Drill(
        name="accuracy_rewarded",
        problem=5,
        wrong="Accuracy is rewarded where one row in a hundred is positive: a model that always says no gets 99 %",
        guard="the config: accuracy is no metric of a gate, and the message says which to take",
        setting="evaluation.gates (metric)",
        fault=Fault(
            rows=fewer_positives(0.01), config=set_to("evaluation.gates.0", {"metric": "accuracy", "minimum": 0.95})
        ),
        caught=Caught("refused", ("accuracy rewards a model that always says no", "auc_pr")),
        without=Without(code=(Edit("plumbline/problem.py", 'if metric == "accuracy":', 'if metric == "":'),)),
    ),
    Drill(
        name="class_absent",
        problem=5,
        wrong="A class is absent from the training split: its weight would be infinite",
        guard="the check of classes in each split, before anything is trained",
        setting="validation.minimum_positives",
        fault=Fault(rows=none_late("2013-09-01")),
        caught=Caught("blocked", (r"BLOCKED at validate: .*label classes late \(train\)",)),
        without=Without(code=(Edit("plumbline/validation.py", "passed=both)", "passed=True)"),)),
    ),
    Drill(
        name="noise_column",
        problem=6,
        wrong="A column of noise with many categories: the model learns it by heart",
        guard="the explanation: features that help on training rows only are named in report and card",
        setting="explanation.rows",
        fault=Fault(
            rows=added("batch", lambda rows, random: [f"b{n}" for n in random.integers(0, 2000, rows.num_rows)]),
            config=also(
                with_feature("batch", type="categorical"),
                set_to("validation.maximum_unseen_fraction", 1.0),
                set_to("validation.maximum_shift", 2.0),
            ),
            select={"batch": "batch"},
        ),
        caught=Caught("shipped", (), report=("help on training rows only: .*<b>batch</b>",)),
        without=Without(
            code=(Edit("plumbline/importance.py", "return train.is_seen and", "return not train.is_seen and"),)
        ),
    ),
    Drill(
        name="one_carrier",
        problem=7,
        wrong="The model serves the customers of one carrier badly, and is good overall",
        guard="a gate on each slice: the metrics of every carrier, each large enough to be judged",
        setting="evaluation.slices, evaluation.gates (by), evaluation.minimum_count",
        fault=Fault(rows=shuffled("late", where=("carrier", ["DL"]))),
        caught=Caught("blocked", (r"BLOCKED at evaluate: blocked: auc on carrier DL",)),
        without=Without(config=without_gate(metric="auc", by=["carrier"])),
    ),
    Drill(
        name="unequal_opportunity",
        problem=7,
        wrong="Late flights of one airport are found much less often than those of another",
        guard="a gate on the gap between slices: equal opportunity is recall with `gap`",
        setting="evaluation.gates (gap)",
        fault=Fault(rows=shuffled("late", where=("origin", ["LGA"])), config=without_gate(metric="auc")),
        caught=Caught("blocked", (r"BLOCKED at evaluate: blocked: recall .*origin LGA",)),
        without=Without(config=without_gate(metric="recall")),
    ),
    Drill(
        name="card_incomplete",
        problem=8,
        wrong="The model's card lacks a mandatory part: nobody can say how it does by group",
        guard="the card step: each mandatory part must be there, or the model is not registered",
        setting="statement, evaluation.slices",
        fault=Fault(
            config=also(set_to("evaluation.slices", [[]]), without_gate(by=["carrier"]), without_gate(by=["origin"]))
        ),
        caught=Caught("blocked", ("BLOCKED at card: the model card lacks .*a metric of a slice",)),
        without=Without(
            code=(Edit("plumbline/card.py", "there.items() if not is_there)", "there.items() if is_there is None)"),)
        ),
    ),
)
