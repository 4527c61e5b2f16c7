"""What a user is told of data that is not fit: column, what was wanted, what was found, what to do."""

import ast
import inspect

import pytest

from plumbline import validation
from plumbline.advice import advise, told
from plumbline.validation import Check


def check(name: str, split: str, *, column: str = "delay", found: str = "2", passed: bool = False) -> Check:
    """A check that has failed."""
    return Check(name=name, split=split, column=column, wanted="1", found=found, passed=passed)


def made() -> set[str]:
    """The names of all checks that validation makes, read off its code."""
    names = set()
    for call in ast.walk(ast.parse(inspect.getsource(validation))):
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
            continue
        if call.func.id == "_check" and isinstance(call.args[0], ast.Constant):
            names.add(str(call.args[0].value))
        if call.func.id == "Check":
            names |= {
                str(k.value.value) for k in call.keywords if k.arg == "name" and isinstance(k.value, ast.Constant)
            }
    return names


def test_there_is_advice_for_every_check() -> None:
    """Whatever fails, the user reads what to do."""
    assert {"schema", "scale", "time shift"} < made()
    for name in made():
        assert len(advise(check(name, "train"))) > 20, name


def test_a_fault_of_several_splits_is_told_once() -> None:
    """With what was found in the first of them; what has passed is not told."""
    checks = [check("range", "train"), check("range", "test", found="3"), check("nulls", "test", passed=True)]
    (line,) = told(checks)
    assert line == f"range delay (train, test): wanted 1, found 2; {advise(checks[0])}"


@pytest.mark.parametrize("checks", [(), (check("nulls", "test", passed=True),)])
def test_sound_data_is_told_nothing(checks: tuple[Check, ...]) -> None:
    """Nothing failed, nothing is said."""
    assert told(checks) == []


def test_what_explains_the_rest_comes_first() -> None:
    """A column that is not there before numbers that have shifted: only the first few are shown."""
    lines = told([check("shift", "test"), check("schema", "test", column="x"), check("rows", "train", column="")])
    assert [line.partition(":")[0] for line in lines] == ["schema x (test)", "rows (train)", "shift delay (test)"]
