"""Charts over time, as SVG text: a value with its interval by period, and shares by period."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from plumbline.scoreboard import Estimate

PALETTE = ("#2563eb", "#059669", "#d97706", "#a855f7", "#dc2626", "#0891b2", "#65a30d", "#be185d")
_INK, _ALARM = "#6b7280", "#dc2626"
_FONT = 'font-family="system-ui, sans-serif" font-size="11"'
_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 1040, 260, 46, 190, 22, 34
_BOTTOM_AT, _RIGHT_AT = _HEIGHT - _BOTTOM, _WIDTH - _RIGHT
_LABELS = 12
"""Periods that are named below a chart, at most."""


@dataclass(frozen=True, slots=True)
class Marks:
    """What is drawn beside the values."""

    alarms: Sequence[int] = ()
    """Periods with an alert: a red triangle."""
    changes: Sequence[int] = ()
    """Periods at whose end something changed: a line upright."""
    bound: float | None = None
    """A line across."""


def values_chart(title: str, periods: Sequence[str], series: Mapping[str, Mapping[int, Estimate]], marks: Marks) -> str:
    """A line a series with intervals; where a period has no value, the line has a gap.

    Args:
        title: What the values are.
        periods: Their names, in the order of time.
        series: Values by period, counted from 0, by the name of the series.
        marks: What else to draw.
    """
    estimates = [estimate for values in series.values() for estimate in values.values()]
    known = [n for e in estimates for n in (e.value, e.high) if n is not None] + [marks.bound or 0.0]
    top = max(known) * 1.08 or 1.0
    parts = [_frame(title, periods, top)]
    if marks.bound is not None:
        y = _y(marks.bound / top)
        parts.append(
            f'<line x1="{_LEFT}" x2="{_RIGHT_AT}" y1="{y}" y2="{y}" stroke="{_ALARM}" stroke-dasharray="5 4"/>'
        )
    parts += [_upright(_x(period + 0.5, len(periods))) for period in marks.changes]
    parts += [_triangle(_x(period, len(periods))) for period in marks.alarms]
    for position, values in enumerate(series.values()):
        parts.append(_line(values, len(periods), top, PALETTE[position % len(PALETTE)]))
    return _svg("".join([*parts, _legend(list(series))]), title)


def shares_chart(title: str, periods: Sequence[str], series: Mapping[str, Mapping[int, float]]) -> str:
    """A column a period, whose parts are the shares of the series; an empty column where nothing was counted."""
    width = (_RIGHT_AT - _LEFT) / max(1, len(periods))
    parts = [_frame(title, periods, 1.0)]
    for period in range(len(periods)):
        total = sum(values.get(period, 0.0) for values in series.values())
        below = 0.0
        for position, values in enumerate(series.values()):
            share = values.get(period, 0.0) / total if total else 0.0
            height = share * (_BOTTOM_AT - _TOP)
            parts.append(
                f'<rect x="{_LEFT + period * width + 1:.1f}" y="{_y(below + share)}" width="{width - 2:.1f}" '
                f'height="{height:.1f}" fill="{PALETTE[position % len(PALETTE)]}" opacity="0.8"/>'
            )
            below += share
    return _svg("".join([*parts, _legend(list(series))]), title)


def _line(values: Mapping[int, Estimate], periods: int, top: float, colour: str) -> str:
    parts, last = list[str](), None
    for period in sorted(values):
        estimate = values[period]
        if estimate.value is None:
            last = None
            continue
        x, y = _x(period, periods), _y(estimate.value / top)
        if estimate.low is not None and estimate.high is not None:
            low, high = _y(estimate.low / top), _y(estimate.high / top)
            parts.append(f'<line x1="{x}" x2="{x}" y1="{low}" y2="{high}" stroke="{colour}" opacity="0.45"/>')
        if last is not None and last[0] == period - 1:
            parts.append(
                f'<line x1="{last[1]}" y1="{last[2]}" x2="{x}" y2="{y}" stroke="{colour}" stroke-width="1.6"/>'
            )
        parts.append(f'<circle cx="{x}" cy="{y}" r="3" fill="{colour}"/>')
        last = (period, x, y)
    return "".join(parts)


def _frame(title: str, periods: Sequence[str], top: float) -> str:
    every = -(-len(periods) // _LABELS) or 1
    below = "".join(
        f'<text x="{_x(period, len(periods))}" y="{_BOTTOM_AT + 16}" text-anchor="middle" fill="{_INK}" {_FONT}>'
        f"{escape(name)}</text>"
        for period, name in enumerate(periods)
        if period % every == 0
    )
    beside = "".join(
        f'<text x="{_LEFT - 6}" y="{_y(share) + 4:.0f}" text-anchor="end" fill="{_INK}" {_FONT}>'
        f"{share * top:.2g}</text>"
        for share in (0.0, 0.5, 1.0)
    )
    named = f'<text x="{_LEFT}" y="12" fill="{_INK}" {_FONT}>{escape(title)}</text>'
    axes = f'<path d="M{_LEFT} {_TOP}V{_BOTTOM_AT}H{_RIGHT_AT}" fill="none" stroke="{_INK}"/>'
    return axes + named + below + beside


def _upright(x: float) -> str:
    return f'<line x1="{x}" x2="{x}" y1="{_TOP}" y2="{_BOTTOM_AT}" stroke="{_INK}" stroke-dasharray="2 3"/>'


def _triangle(x: float) -> str:
    y = _BOTTOM_AT - 3
    return f'<path d="M{x - 5:.1f} {y}L{x + 5:.1f} {y}L{x} {y - 9}Z" fill="{_ALARM}"><title>alert</title></path>'


def _legend(names: Sequence[str]) -> str:
    return "".join(
        f'<text x="{_RIGHT_AT + 12}" y="{_TOP + 12 + 15 * position}" fill="{PALETTE[position % len(PALETTE)]}" {_FONT}>'
        f"{escape(name)}</text>"
        for position, name in enumerate(names)
    )


def _x(period: float, periods: int) -> float:
    return round(_LEFT + (period + 0.5) / max(1, periods) * (_RIGHT_AT - _LEFT), 1)


def _y(share: float) -> float:
    return round(_BOTTOM_AT - min(1.0, max(0.0, share)) * (_BOTTOM_AT - _TOP), 1)


def _svg(inner: str, title: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" height="{_HEIGHT}" '
        f'role="img" aria-label="{escape(title)}"><title>{escape(title)}</title>{inner}</svg>'
    )
