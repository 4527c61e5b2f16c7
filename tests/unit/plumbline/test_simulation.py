"""The page of a year."""

import datetime as dt
from html.parser import HTMLParser

from plumbline.scoreboard import Estimate
from plumbline.simulation import Chapter, Judged, Trained, Year, render

START = dt.datetime(2013, 3, 14, tzinfo=dt.UTC)
FIRST = Trained(run="first", kind="shipped", reason="passed", why="by hand", version="1")
SECOND = Trained(run="second", kind="shipped", reason="passed", why="an alert & <more>", version="2")


class Page(HTMLParser):
    """Collects the text of a page."""

    def __init__(self, text: str) -> None:
        """Reads it."""
        super().__init__()
        self.words = list[str]()
        self.feed(text)

    def handle_data(self, data: str) -> None:
        """A piece of text."""
        self.words += data.split()

    @property
    def text(self) -> str:
        """All of it."""
        return " ".join(self.words)


def chapter(
    number: int, *, version: str = "1", alerts: tuple[str, ...] = (), trained: Trained | None = None
) -> Chapter:
    """A fortnight."""
    start = START + number * dt.timedelta(days=14)
    return Chapter(
        start=start,
        end=start + dt.timedelta(days=14),
        asked=1200,
        answers={version: 1200},
        matched=1100,
        judged=(Judged(version=version, status="passed", summary="2 of 2", auc_pr=Estimate(value=0.3), rows=1100),),
        alerts=alerts,
        distances={"temperature": 0.2 * number, "humidity": 0.1},
        decision="do not train: no reason",
        trained=trained,
    )


def year() -> Year:
    """Three fortnights; in the second an alert, and a version that shipped."""
    chapters = (chapter(0), chapter(1, alerts=("drift: temperature 0.4",), trained=SECOND), chapter(2, version="2"))
    return Year(title="Late flights", first=FIRST, chapters=chapters, bound=0.2, drift_bound=0.3, seconds=480.0)


def test_the_page_tells_the_year() -> None:
    """What shipped, what was told, what came of each training, and each period."""
    text = Page(render(year())).text
    assert "2 SHIPPED" in text
    assert "2 trainings, 0 blocked by a gate, 0 failed; 1 alerts; 3,600 predictions, 3,300 with a label" in text
    assert "14 March 2013 to 25 April 2013 in 480 seconds" in text
    assert "an alert & <more>" in text
    assert "drift: temperature 0.4" in text
    assert text.count("do not train: no reason") == 3


def test_the_charts_have_a_series_for_each_version_and_feature() -> None:
    """And mark the alert and the new version."""
    page = render(year())
    assert page.count("<svg") == 3
    assert page.count("<title>alert</title>") == 1
    for name in ("version 1", "version 2", "temperature", "humidity"):
        assert f">{name}</text>" in page
    assert page.count("<circle") == 3 + 6


def test_a_year_counts_its_trainings_and_alerts() -> None:
    """The first among them."""
    assert [trained.version for trained in year().trainings] == ["1", "2"]
    assert year().alerts == 1
