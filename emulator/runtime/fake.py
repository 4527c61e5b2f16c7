"""Tasks that do nothing: their outputs are made up, so that a graph can be run through in milliseconds."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from emulator.runtime.tasks import Json, TaskCall, TaskFailedError, UnsupportedError, Values

_BY_TYPE: Mapping[str, Json] = {
    "STRING": "fake",
    "NUMBER_INTEGER": 1,
    "NUMBER_DOUBLE": 1.0,
    "BOOLEAN": True,
    "LIST": [],
    "STRUCT": {},
}
"""Output parameters by their declared type, where a scenario says nothing else."""


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What a scenario says of a task."""

    outputs: Mapping[str, Json] = field(default_factory=dict)
    fails: str = ""
    """The error; empty for success."""


@dataclass(frozen=True, slots=True)
class FakeExecutor:
    """Makes up outputs by their types, or as the scenario has them."""

    behaviours: Mapping[str, Behaviour] = field(default_factory=dict)

    def __call__(self, call: TaskCall) -> Values:
        """The made-up outputs.

        Raises:
            TaskFailedError: The scenario has the task fail.
            UnsupportedError: The scenario names an output that the task does not have.
        """
        behaviour = self.behaviours.get(call.name, Behaviour())
        declared = call.component.get("outputDefinitions", {}).get("parameters", {})
        if unknown := sorted(set(behaviour.outputs) - set(declared)):
            raise UnsupportedError(f"the scenario sets {unknown} of {call.name}, which has {sorted(declared)}")
        if behaviour.fails:
            raise TaskFailedError(behaviour.fails)
        made = {name: _BY_TYPE[definition["parameterType"]] for name, definition in declared.items()}
        return Values({**made, **behaviour.outputs}, dict(call.outputs))
