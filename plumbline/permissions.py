"""Every permission that a run or a command needs, traced to the step and the call that needs it.

There is one list, `plumbline.calls`: `make doctor` tests it, `terraform/permissions.json` is written from it and
becomes the custom roles, and docs/infrastructure.md prints it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from plumbline.calls import PIPELINE, SUBMITTER, On, Row

Who: TypeAlias = Literal["pipeline", "submitter"]
"""The pipeline's service account; or whoever types `make run-pipeline`, which can be the account of Cloud Build."""


@dataclass(frozen=True, slots=True)
class Need:
    """One permission, and why."""

    who: Who
    on: On
    permission: str
    step: str
    """A step of the graph, `run`, or a command."""
    call: str
    """A method of an API, such as ModelService.UploadModel or tables.get; otherwise one of DONE_BY_GOOGLE."""


def _traced(who: Who, steps: Mapping[str, Sequence[Row]]) -> tuple[Need, ...]:
    return tuple(Need(who, on, permission, step, call) for step, rows in steps.items() for call, on, permission in rows)


NEEDS: tuple[Need, ...] = (*_traced("pipeline", PIPELINE), *_traced("submitter", SUBMITTER))
"""All of them; a permission is there once for each call that needs it."""


def needs(who: Who, on: On) -> tuple[Need, ...]:
    """What an account needs in a place, in the order in which a run comes to it."""
    return tuple(need for need in NEEDS if need.who == who and need.on == on)


def permissions(found: Iterable[Need]) -> tuple[str, ...]:
    """The permissions of some needs, each once, sorted."""
    return tuple(sorted({need.permission for need in found}))


def roles() -> Mapping[str, Sequence[str]]:
    """The permissions of each custom role, by its name: the account, and what the role is granted on.

    A table's permissions are granted on its dataset. The two repositories have a role each.
    """
    places = sorted({(need.who, _granted_on(need)) for need in NEEDS})
    return {
        f"{who}_{place}": permissions(need for need in NEEDS if (need.who, _granted_on(need)) == (who, place))
        for who, place in places
    }


def _granted_on(need: Need) -> str:
    match need.on:
        case "table":
            return "dataset"
        case "repository":
            return "pipelines" if need.step == "publish" else "images"
        case place:
            return place


def table() -> str:
    """The list as a table in Markdown: a line for each permission of an account in a place, with all that needs it."""
    lines: dict[tuple[str, str, str], list[str]] = {}
    for need in NEEDS:
        lines.setdefault((need.who, need.on, need.permission), []).append(f"{need.step}: {need.call}")
    rows = (f"| {who} | {on} | `{permission}` | {'; '.join(why)} |" for (who, on, permission), why in lines.items())
    return "\n".join(("| account | on | permission | step: call |", "|---|---|---|---|", *rows)) + "\n"
