"""The model card: each part that a reader needs is in it, on its page, and missed where it is not there."""

import copy
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from plumbline.adapters.model_card_toolkit import write_card
from plumbline.card import content, missing
from plumbline.report import TEMPLATES
from tests.unit.plumbline.test_card_and_report import FACTS

Card = dict[str, Any]
"""What JSON is: anything."""


def _without(part: str, place: tuple[str, ...], is_wanted: Callable[[Mapping[str, str]], bool]) -> Card:
    """The card, less the entries of a list that are not wanted; `part` is the list's name."""
    card: Card = copy.deepcopy(json.loads(json.dumps(content(FACTS))))
    inner = card
    for name in place:
        inner = inner[name]
    inner[part] = [entry for entry in inner[part] if is_wanted(entry)]
    return card


CARDS = {
    "factors": _without("limitations", ("considerations",), lambda e: "Factor" not in e["description"]),
    "trade-offs": _without("tradeoffs", ("considerations",), lambda _: False),
    "uses out of scope": _without("use_cases", ("considerations",), lambda e: "Out of scope" not in e["description"]),
    "the window of the training data": _without("data", ("model_parameters",), lambda e: e["name"] != "train"),
    "the window of the evaluation data": _without("data", ("model_parameters",), lambda e: e["name"] != "test"),
    "what the model looks at": _without(
        "collection", ("quantitative_analysis", "graphics"), lambda e: e["name"] != "what the model looks at"
    ),
    "a decision threshold": _without(
        "performance_metrics", ("quantitative_analysis",), lambda e: e["type"] != "decision threshold"
    ),
    "a metric of a slice": _without(
        "performance_metrics", ("quantitative_analysis",), lambda e: e["slice"] == "all rows"
    ),
    "a metric over all rows": _without(
        "performance_metrics", ("quantitative_analysis",), lambda e: e["slice"] != "all rows" or "thres" in e["type"]
    ),
}


@pytest.mark.parametrize(("part", "card"), CARDS.items(), ids=CARDS)
def test_a_part_that_is_no_field_of_its_own_is_missed(part: str, card: Card) -> None:
    """It alone, though the list that it stands in has other entries."""
    assert missing(card) == (part,)


def test_nothing_at_all_lacks_everything() -> None:
    """An empty card names every part, each once, and a card of the wrong form does too."""
    absent = missing({})
    assert len(absent) == len(set(absent))
    assert {*CARDS, "name", "owners", "licence", "limitations", "curves", "users"} <= set(absent)
    assert missing({"considerations": "none", "model_parameters": {"data": {}}}) == absent


def test_the_page_has_a_section_for_each_part(tmp_path: Path) -> None:
    """Factors and uses out of scope stand under headings of their own, without the words that mark them in the JSON."""
    page = tmp_path / "page"
    write_card(content(FACTS), card=tmp_path / "card", page=page, template=TEMPLATES / "card.html.j2")
    text = page.read_text(encoding="utf-8")
    for heading in ("Intended uses", "Out of scope", "Factors", "Limitations", "Trade-offs", "Ethical considerations"):
        assert text.count(f"<h3>{heading}</h3>") == 1
    sections = {part.split("</h3>")[0]: part for part in text.split("<h3>")}
    assert f"<li>{FACTS.statement.out_of_scope[1]}</li>" in sections["Out of scope"]
    assert FACTS.statement.out_of_scope[1] not in sections["Intended uses"]
    assert f"<li>{FACTS.statement.factors[0]}</li>" in sections["Factors"]
    assert FACTS.statement.factors[0] not in sections["Limitations"]
    assert f"<li>{FACTS.statement.limitations[0]}</li>" in sections["Limitations"]
    assert "Decision threshold: <b>0.5000</b>" in text
    assert "highest F-1: &lt;i&gt;found&lt;/i&gt;" in text


def test_how_classes_were_balanced_is_in_words() -> None:
    """The architecture names the method, not the weights alone."""
    parameters = content(FACTS)["model_parameters"]
    assert isinstance(parameters, dict)
    assert "classes as they come, without weights" in parameters["model_architecture"]
