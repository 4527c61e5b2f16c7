"""The language of conditions: what the compiler writes is understood, and everything else is refused."""

import pytest

from emulator.runtime.conditions import holds
from emulator.runtime.tasks import UnsupportedError

VALUES = {"flag": True, "off": False, "name": "a", "count": 3, "share": 0.5}


def at(name: str) -> str:
    """A parameter as the compiler refers to it."""
    return f"inputs.parameter_values['{name}']"


@pytest.mark.parametrize(
    ("condition", "wanted"),
    [
        (f"{at('flag')} == true", True),
        (f"{at('off')} == true", False),
        (f"!({at('flag')} == true)", False),
        (f"{at('name')} == 'a' && {at('count')} >= 3", True),
        (f"{at('name')} == 'b' || {at('share')} < 0.6", True),
        (f"{at('name')} == 'b' || {at('share')} < 0.6 && {at('off')} == true", False),
        (f"int({at('count')}) == 3", True),
        (f"{at('count')} == 3.0", True),
        (f"{at('share')} != 0.5", False),
        (f"({at('count')} > 1) && ({at('count')} <= 2)", False),
    ],
)
def test_conditions_that_the_compiler_writes(condition: str, wanted: bool) -> None:
    """Comparisons, joined and negated, with the usual precedence."""
    assert holds(condition, VALUES) is wanted


@pytest.mark.parametrize(
    "condition",
    [
        f"{at('absent')} == true",
        f"{at('flag')} == 'true'",
        f"{at('flag')} == 1",
        f"{at('name')}",
        f"{at('flag')} ==",
        f"{at('flag')} == true true",
        f"{at('count')} && true",
        "size(inputs) > 1",
        f"({at('flag')} == true",
        "",
        "@",
    ],
)
def test_what_cannot_be_evaluated_is_refused(condition: str) -> None:
    """A condition without a sure answer is an error: neither branch may be taken."""
    with pytest.raises(UnsupportedError):
        holds(condition, VALUES)
