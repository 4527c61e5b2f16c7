"""Drills of what serves, and of what is served: problems 9 and 10."""

from drills.drill import Caught, Drill, Edit, Fault, Without
from drills.faults import set_to

SERVICE = (
    Drill(
        name="skew",
        problem=9,
        wrong="Online a feature is computed otherwise than in training",
        guard="the smoke test: before any traffic moves, online scores are those that the evaluation saw",
        setting="serving.smoke_rows, serving.smoke_tolerance",
        fault=Fault(
            code=(
                Edit(
                    "plumbline/features.py",
                    """        case "numeric" if is_number:
            return value
""",
                    """        case "numeric" if is_number:
            return value * 1.8 + 32
""",
                ),
            )
        ),
        caught=Caught("failed", ("FAILED at deploy: .*(online|score)",)),
        without=Without(config=set_to("serving.smoke_tolerance", 1.0)),
    ),
    Drill(
        name="stale_cache",
        problem=9,
        wrong="The code has changed, and a cached result of the old code would be taken for one of the new",
        guard="the digest of the code: it is in each image's name, so it keys every cache",
        setting="none: it is always there",
        fault=Fault(
            then=(Edit("plumbline/weighting.py", "total / (2 * positives)", "total / (3 * positives)"),),
        ),
        caught=Caught("shipped", (), silent=(" cached ",)),
        without=Without(
            code=(
                Edit(
                    "pipelines/code.py",
                    "    return tree_digest(root, [*files,",
                    "    return tree_digest(root, [*files[:0],",
                ),
            )
        ),
    ),
    Drill(
        name="spiky_load",
        problem=10,
        wrong="The endpoint may not grow to what its peak needs",
        guard="the config: the replicas that the load profile needs, by the rate that one of them holds",
        setting="serving.load, serving.maximum_replicas",
        fault=Fault(config=set_to("serving.load", {"usual_rate": 5, "peak_rate": 400, "replica_rate": 40})),
        caught=Caught("refused", ("maximum_replicas",)),
        without=Without(config=set_to("serving.load", None)),
    ),
)
