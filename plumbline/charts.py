"""Charts as SVG text: nothing to load, crisp at any size, and readable on light and dark pages."""

from collections.abc import Mapping, Sequence
from html import escape

from plumbline.explanation import Importance
from plumbline.problem import Metric
from plumbline.scoreboard import Curve, Estimate, SliceResult

_COLOURS: Mapping[str, str] = {
    "candidate": "#2563eb",
    "champion": "#059669",
    "today": "#d97706",
    "prevalence": "#9ca3af",
    "logistic_regression": "#a855f7",
    "boosted_trees": "#dc2626",
}
_AXES: Mapping[str, tuple[str, str]] = {
    "precision_recall": ("recall", "precision"),
    "roc": ("false positive rate", "recall"),
    "calibration": ("mean score", "rate of positives"),
}
_WIDTH, _HEIGHT, _LEFT, _BOTTOM, _TOP, _RIGHT = 360, 260, 46, 40, 14, 12
_INK = "#6b7280"
_FONT = 'font-family="system-ui, sans-serif" font-size="11"'


def curve_chart(curves: Sequence[Curve], kind: str) -> str:
    """Curves of one kind in the unit square, a colour a model."""
    across, up = _AXES[kind]
    lines = [_polyline(curve.x, curve.y, _COLOURS.get(curve.model, _INK)) for curve in curves]
    names = [(curve.model, _COLOURS.get(curve.model, _INK)) for curve in curves]
    diagonal = "" if kind == "precision_recall" else _polyline((0.0, 1.0), (0.0, 1.0), "#d1d5db")
    return _figure(
        "".join([_axes(across, up, 1.0), diagonal, *lines, _legend(names, low=kind == "roc")]), f"{up} over {across}"
    )


def threshold_chart(curves: Sequence[Curve], threshold: float) -> str:
    """Precision and recall of one model over the threshold, and where its own lies."""
    names = [(curve.kind, colour) for curve, colour in zip(curves, _COLOURS.values(), strict=False)]
    lines = [_polyline(curve.x, curve.y, colour) for curve, (_, colour) in zip(curves, names, strict=True)]
    own = _polyline((threshold, threshold), (0.0, 1.0), _INK)
    return _figure(
        "".join([_axes("threshold", "precision, recall", 1.0), own, *lines, _legend(names)]),
        "precision and recall over the threshold",
    )


def history_chart(series: Mapping[str, Sequence[float]], title: str) -> str:
    """Values by epoch, a line a name."""
    palette = [*_COLOURS.values()]
    top = max((value for values in series.values() for value in values), default=1.0) or 1.0
    parts, names = [_axes("epoch", title, top)], []
    for position, (name, values) in enumerate(series.items()):
        steps = max(1, len(values) - 1)
        colour = palette[position % len(palette)]
        parts.append(_polyline([i / steps for i in range(len(values))], [v / top for v in values], colour))
        names.append((name, colour))
    return _figure("".join([*parts, _legend(names)]), f"{title} by epoch")


def line_chart(series: Mapping[str, Sequence[tuple[float, float]]], across: str, up: str) -> str:
    """Points joined in their order, from 0 on both axes, a line a name."""
    points = [point for line in series.values() for point in line]
    right = max((x for x, _ in points), default=1.0) or 1.0
    top = max((y for _, y in points), default=1.0) or 1.0
    names = list(zip(series, _COLOURS.values(), strict=False))
    lines = [
        _polyline([x / right for x, _ in series[name]], [y / top for _, y in series[name]], colour)
        for name, colour in names
    ]
    axes = _axes(f"{across}, 0 to {right:g}", up, top)
    # On the left, since what is loaded gets slower to the right.
    return _figure("".join([axes, *lines, _legend(names, left=True)]), f"{up} over {across}")


def slice_chart(results: Sequence[SliceResult], metric: Metric) -> str:
    """A bar a slice with its confidence interval."""
    row, left, width = 20, 110, 230
    bars = []
    for position, result in enumerate(results):
        estimate = result.metrics.get(metric, Estimate(value=None))
        bars.append(_bar(estimate, " ".join(value for _, value in result.slice), 6 + position * row, left, width))
    height = 12 + row * len(results)
    return _svg("".join(bars), left + width + 60, height, f"{metric} by slice")


def importance_chart(features: Sequence[Importance]) -> str:
    """A bar a column: its mean absolute attribution."""
    row, left, width = 20, 170, 230
    top = max((each.attribution for each in features), default=0.0) or 1.0
    bars = []
    for position, each in enumerate(features):
        y, length = 6 + position * row, each.attribution / top * width
        bars.append(
            f'<text x="{left - 8}" y="{y + 11}" text-anchor="end" fill="{_INK}" {_FONT}>{escape(each.feature)}</text>'
        )
        bars.append(f'<rect x="{left}" y="{y}" width="{length:.1f}" height="14" rx="2" fill="#2563eb" opacity="0.75"/>')
        bars.append(f'<text x="{left + width + 8}" y="{y + 11}" fill="{_INK}" {_FONT}>{each.attribution:.3f}</text>')
    return _svg("".join(bars), left + width + 60, 12 + row * len(features), "Mean absolute attribution by column")


def _bar(estimate: Estimate, name: str, top: float, left: int, width: int) -> str:
    label = f'<text x="{left - 8}" y="{top + 11}" text-anchor="end" fill="{_INK}" {_FONT}>{escape(name)}</text>'
    if estimate.value is None:
        return f'{label}<text x="{left}" y="{top + 11}" fill="{_INK}" {_FONT}>not defined</text>'
    length = _clip(estimate.value) * width
    bar = f'<rect x="{left}" y="{top}" width="{length:.1f}" height="14" rx="2" fill="#2563eb" opacity="0.75"/>'
    value = f'<text x="{left + width + 8}" y="{top + 11}" fill="{_INK}" {_FONT}>{estimate.value:.3f}</text>'
    return label + bar + _whisker(estimate, top + 7, left, width) + value


def _whisker(estimate: Estimate, middle: float, left: int, width: int) -> str:
    if estimate.low is None or estimate.high is None:
        return ""
    start, end = (left + _clip(bound) * width for bound in (estimate.low, estimate.high))
    return f'<line x1="{start:.1f}" x2="{end:.1f}" y1="{middle}" y2="{middle}" stroke="{_INK}" stroke-width="2"/>'


def _clip(value: float) -> float:
    return min(1.0, max(0.0, value))


def _polyline(x: Sequence[float], y: Sequence[float], colour: str) -> str:
    across, up = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _BOTTOM - _TOP
    points = " ".join(
        f"{_LEFT + _clip(a) * across:.1f},{_TOP + (1 - _clip(b)) * up:.1f}" for a, b in zip(x, y, strict=True)
    )
    return f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.8"/>'


def _axes(across: str, up: str, top: float) -> str:
    right, bottom = _WIDTH - _RIGHT, _HEIGHT - _BOTTOM
    middle = (_TOP + bottom) / 2
    frame = f'<path d="M{_LEFT} {_TOP}V{bottom}H{right}" fill="none" stroke="{_INK}"/>'
    marks = [
        f'<text x="{_LEFT - 6}" y="{bottom - share * (bottom - _TOP) + 4:.0f}" text-anchor="end" fill="{_INK}" {_FONT}>'
        f"{_short(share * top)}</text>"
        for share in (0.0, 0.5, 1.0)
    ]
    below = (
        f'<text x="{(_LEFT + right) / 2}" y="{_HEIGHT - 8}" text-anchor="middle" fill="{_INK}" {_FONT}>'
        f"{escape(across)}</text>"
    )
    beside = (
        f'<text x="12" y="{middle}" text-anchor="middle" fill="{_INK}" {_FONT} '
        f'transform="rotate(-90 12 {middle})">{escape(up)}</text>'
    )
    return frame + "".join(marks) + below + beside


def _short(value: float) -> str:
    """A number in at most four characters."""
    if value >= 1000:
        return f"{value / 1000:.0f}k" if value >= 9950 else f"{value / 1000:.1f}k"
    return f"{value:.0f}" if value >= 100 else f"{value:.2g}"


def _legend(names: Sequence[tuple[str, str]], *, low: bool = False, left: bool = False) -> str:
    top = _HEIGHT - _BOTTOM - 15 * len(names) - 6 if low else _TOP
    x, anchor = (_LEFT + 8, "start") if left else (_WIDTH - _RIGHT - 4, "end")
    return "".join(
        f'<text x="{x}" y="{top + 12 + 15 * i}" text-anchor="{anchor}" fill="{colour}" {_FONT}>{escape(name)}</text>'
        for i, (name, colour) in enumerate(names)
    )


def _figure(inner: str, title: str) -> str:
    return _svg(inner, _WIDTH, _HEIGHT, title)


def _svg(inner: str, width: int, height: int, title: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'role="img" aria-label="{escape(title)}"><title>{escape(title)}</title>{inner}</svg>'
    )
