"""What `terraform fmt` would change, as far as it is worth having without terraform.

Source: hclwrite/format.go of hashicorp/hcl. A line is indented by two spaces for each line above it that has opened a
bracket and not closed it. Neighbouring lines with `=` have it in one column; a line that opens a bracket that it does
not close counts as one without. What stands in a heredoc is left alone.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_COMMENT = re.compile(r"\s*(#|//).*$")
_HEREDOC = re.compile(r"<<-?(\w+)$")
_ASSIGNED = re.compile(r"(?P<name>\s*\S+)(?P<gap> +)= \S")
_OPENED = re.compile(r"\s*\S+ = \S")


@dataclass(frozen=True, slots=True)
class _Line:
    text: str
    bare: str
    """Without what is in strings, and without a comment."""

    @property
    def net(self) -> int:
        """Brackets that it opens and does not close; negative: closes."""
        return sum(self.bare.count(c) for c in "{[(") - sum(self.bare.count(c) for c in "}])")


def misformatted(source: str) -> Sequence[str]:
    """The lines that are not as `terraform fmt` would write them."""
    lines = list(_lines(source))
    blanks = [line.text for line in lines if "\t" in line.text or line.text != line.text.rstrip()]
    return [*blanks, *_indented(lines), *_aligned(lines)]


def _lines(source: str) -> Iterator[_Line]:
    """The lines outside heredocs; the opening one belongs to the outside."""
    end = ""
    for text in source.splitlines():
        if end:
            end = "" if text.strip() == end else end
            continue
        bare = _COMMENT.sub("", _STRING.sub('""', text))
        yield _Line(text, bare)
        if found := _HEREDOC.search(bare):
            end = found[1]


def _indented(lines: Sequence[_Line]) -> Iterator[str]:
    open_: list[int] = []
    for line in lines:
        if line.net < 0:
            _close(open_, -line.net)
        if line.text and len(line.text) - len(line.text.lstrip()) != 2 * len(open_):
            yield line.text
        if line.net > 0:
            open_.append(line.net)


def _close(open_: list[int], brackets: int) -> None:
    while brackets and open_:
        taken = min(brackets, open_[-1])
        brackets -= taken
        open_[-1] -= taken
        if not open_[-1]:
            open_.pop()


def _aligned(lines: Sequence[_Line]) -> Iterator[str]:
    together: list[tuple[str, int, int]] = []
    for line in lines:
        found = _ASSIGNED.match(line.bare) if line.net == 0 else None
        if found:
            # The names are those of the text: a quoted one is as wide as it is written.
            name = line.text[: line.text.index(" =")].rstrip()
            together.append((line.text, len(name), line.text.index(" =") + 1))
            continue
        yield from _ragged(together)
        together = []
        if "=" in line.bare and line.net > 0 and "=>" not in line.bare and not _OPENED.match(line.bare):
            yield line.text
    yield from _ragged(together)


def _ragged(together: Sequence[tuple[str, int, int]]) -> Iterator[str]:
    wanted = max((name for _, name, _ in together), default=0) + 1
    yield from (text for text, _, column in together if column != wanted)
