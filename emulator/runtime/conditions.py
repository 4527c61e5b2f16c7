"""The language of conditions, as far as kfp's compiler writes it: comparisons of parameters, joined by && and ||.

Source: the `condition` of a TriggerPolicy, pipeline_spec.proto; a subset of CEL.
"""

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from typing import cast

from emulator.runtime.tasks import Json, UnsupportedError

_TOKEN = re.compile(
    r"\s*(?:inputs\.parameter_values\['(?P<reference>[^']+)'\]"
    r"|(?P<number>-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)"
    r"|'(?P<text>(?:[^'\\]|\\.)*)'"
    r"|(?P<operator>&&|\|\||==|!=|>=|<=|>|<|!|\(|\))"
    r"|(?P<word>\w+))"
)
_COMPARE: Mapping[str, Callable[[Json, Json], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}
_CASTS: Mapping[str, Callable[[Json], Json]] = {"int": int, "double": float, "string": str, "bool": bool}
Token = tuple[str, str]


def holds(condition: str, parameters: Mapping[str, Json]) -> bool:
    """Whether a condition is true of the parameters.

    Raises:
        UnsupportedError: It is not in the language, needs a parameter that has no value, or compares different types.
    """
    parser = _Parser(_tokens(condition), parameters, condition)
    value = parser.either()
    if parser.rest() or not isinstance(value, bool):
        raise UnsupportedError(f"the condition {condition!r} is not a comparison")
    return value


def _tokens(condition: str) -> list[Token]:
    found: list[Token] = []
    position = 0
    text = condition.rstrip()
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise UnsupportedError(f"cannot read the condition {condition!r} from {text[position:]!r} on")
        found.append((cast("str", match.lastgroup), match[cast("str", match.lastgroup)]))
        position = match.end()
    return found


class _Parser:
    """Recursive descent over the tokens; `||` binds least, then `&&`, then a comparison."""

    def __init__(self, tokens: Sequence[Token], parameters: Mapping[str, Json], condition: str) -> None:
        self._tokens = list(tokens)
        self._parameters = parameters
        self._condition = condition

    def rest(self) -> Sequence[Token]:
        """What was not read."""
        return self._tokens

    def either(self) -> Json:
        """Terms joined by ||."""
        value = self._both()
        while self._next("||"):
            value = self._truth(self._both()) or self._truth(value)
        return value

    def _both(self) -> Json:
        value = self._comparison()
        while self._next("&&"):
            value = self._truth(self._comparison()) and self._truth(value)
        return value

    def _comparison(self) -> Json:
        left = self._value()
        for sign, compare in _COMPARE.items():
            if self._next(sign):
                right = self._value()
                if _kind(left) != _kind(right):
                    raise UnsupportedError(f"{self._condition!r} compares {left!r} with {right!r}, of another type")
                return compare(left, right)
        return left

    def _value(self) -> Json:
        if self._next("!"):
            return not self._truth(self._value())
        if self._next("("):
            value = self.either()
            self._expect(")")
            return value
        kind, text = self._tokens.pop(0) if self._tokens else ("end", "")
        match kind:
            case "reference":
                if text not in self._parameters:
                    raise UnsupportedError(f"the condition {self._condition!r} needs {text}, which has no value")
                return self._parameters[text]
            case "number":
                return float(text) if re.search(r"[.eE]", text) else int(text)
            case "text":
                return text
            case _:
                return self._word(text)

    def _word(self, text: str) -> Json:
        if text in {"true", "false"}:
            return text == "true"
        if text in _CASTS:
            self._expect("(")
            value = _CASTS[text](self.either())
            self._expect(")")
            return value
        raise UnsupportedError(f"the condition {self._condition!r} has {text or 'its end'!r} where a value belongs")

    def _next(self, sign: str) -> bool:
        if self._tokens and self._tokens[0] == ("operator", sign):
            self._tokens.pop(0)
            return True
        return False

    def _expect(self, sign: str) -> None:
        if not self._next(sign):
            raise UnsupportedError(f"the condition {self._condition!r} lacks a {sign!r}")

    def _truth(self, value: Json) -> bool:
        if not isinstance(value, bool):
            raise UnsupportedError(f"the condition {self._condition!r} takes {value!r} for a truth value")
        return value


def _kind(value: Json) -> type:
    return float if isinstance(value, int | float) and not isinstance(value, bool) else type(value)
