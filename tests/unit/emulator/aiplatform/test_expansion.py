"""References to variables in commands, arguments and variables."""

import pytest

from emulator.aiplatform.expansion import expanded, with_own


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("$(A)/x", "1/x"),
        ("$(A)$(B)", "12"),
        ("$(NONE)", "$(NONE)"),
        ("$$(A)", "$(A)"),
        ("$$$(A)", "$1"),
        ("$A ${A} $( A)", "$A ${A} $( A)"),
        ("$(date +%s)", "$(date +%s)"),
    ],
)
def test_references_are_replaced(text: str, wanted: str) -> None:
    """Only those to variables that are set; `$$` escapes; a shell's own syntax stays."""
    assert expanded(text, {"A": "1", "B": "2"}) == wanted


def test_variables_see_those_before_them() -> None:
    """Not those after, and they cannot replace the service's."""
    own = [("ONE", "$(AIP)-$(TWO)"), ("TWO", "$(ONE)!"), ("AIP", "mine")]
    assert with_own({"AIP": "0"}, own) == {"AIP": "0", "ONE": "0-$(TWO)", "TWO": "0-$(TWO)!"}
