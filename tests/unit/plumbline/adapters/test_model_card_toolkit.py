"""model-card-toolkit under protobuf 6: the card is written in its schema, and what does not fit is refused."""

import json
from pathlib import Path

import pytest

from plumbline.adapters.model_card_toolkit import write_card
from plumbline.errors import PlumblineError
from plumbline.report import TEMPLATES

CARD = {
    "model_details": {
        "name": "Late flights",
        "overview": "Says <how> late.",
        "version": {"name": "1", "date": "2026-01-01"},
    },
    "model_parameters": {"model_architecture": "small", "input_format": "JSON", "output_format": "score"},
    "quantitative_analysis": {
        "performance_metrics": [{"type": "auc_pr", "value": "0.3", "slice": "all rows"}],
        "graphics": {"description": "curves", "collection": [{"name": "roc", "image": "PHN2Zy8+"}]},
    },
    "considerations": {"users": [{"description": "planners"}]},
}


def test_a_card_becomes_json_and_a_page(tmp_path: Path) -> None:
    """JSON in the toolkit's schema, and HTML that shows it with its graphics and loads nothing."""
    card, page = tmp_path / "card", tmp_path / "page"
    write_card(CARD, card=card, page=page, template=TEMPLATES / "card.html.j2")
    written = json.loads(card.read_text(encoding="utf-8"))
    assert written["model_details"]["name"] == "Late flights"
    assert written["quantitative_analysis"]["graphics"]["collection"][0]["image"] == "PHN2Zy8+"
    html = page.read_text(encoding="utf-8")
    assert "Says &lt;how&gt; late." in html
    assert 'src="data:image/svg+xml;base64,PHN2Zy8+"' in html
    assert "http://" not in html.replace("http://www.w3.org", "")


def test_a_number_where_text_belongs_is_refused(tmp_path: Path) -> None:
    """The toolkit's schema wants text everywhere, and the error says so."""
    wrong = {**CARD, "model_details": {"name": 7}}
    with pytest.raises(PlumblineError, match="does not fit"):
        write_card(wrong, card=tmp_path / "card", page=tmp_path / "page", template=TEMPLATES / "card.html.j2")
