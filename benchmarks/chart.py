"""A chart of lines as SVG: panels side by side, both axes logarithmic, for light and dark pages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from math import log10

WIDTH, HEIGHT, GAP = 240, 220, 24  # of a panel's plot, and between two
LEFT, TOP, BOTTOM = 86, 84, 52  # of the whole
TICKS = (0.1, 1, 10, 100, 1_000, 10_000)
STYLE = """
  text { fill: #1f2328; font: 12px system-ui, -apple-system, "Segoe UI", Arial, sans-serif }
  .title { font-size: 16px; font-weight: 600 }
  .panel { font-size: 14px; font-weight: 600; text-anchor: middle }
  .middle { text-anchor: middle }
  .end { text-anchor: end }
  .paper { fill: #ffffff }
  .grid { stroke: #d1d9e0 }
  .line { fill: none; stroke-width: 2.5 }
  .line0 { stroke: #c2410c } .of0 { fill: #c2410c }
  .line1 { stroke: #1d63c4 } .of1 { fill: #1d63c4 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 }
    .paper { fill: #0d1117 }
    .grid { stroke: #30363d }
    .line0 { stroke: #fb923c } .of0 { fill: #fb923c }
    .line1 { stroke: #6cb0ff } .of1 { fill: #6cb0ff }
  }
"""


@dataclass(frozen=True)
class Line:
    """Rows, and what was measured of one version."""

    label: str
    points: list[tuple[int, float]]


@dataclass(frozen=True)
class Panel:
    """The lines of one database."""

    title: str
    lines: Sequence[Line]


def chart(title: str, panels: Sequence[Panel], measured: str, unit: str) -> str:
    """Return the text of an SVG file that says what was `measured`. Values below the lowest tick are drawn on it."""
    width = LEFT + len(panels) * (WIDTH + GAP)
    height = TOP + HEIGHT + BOTTOM
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}"'
        f' height="{height}" role="img" aria-label="{escape(title)}">',
        f"<style>{STYLE}</style>",
        f'<rect class="paper" width="{width}" height="{height}"/>',
        _text(LEFT, 28, title, "title"),
        _text(LEFT, 46, f"{measured} in {unit}, both axes logarithmic"),
    ]
    for tick in TICKS:
        parts.append(_text(LEFT - 8, _y(tick) + 4, f"{tick:,g} {unit}", "end"))
    for number, panel in enumerate(panels):
        parts.extend(_panel(panel, LEFT + number * (WIDTH + GAP)))
    parts.append(_text((LEFT + width - GAP) / 2, height - 10, "rows in the table", "middle"))
    return "\n".join([*parts, "</svg>", ""])


def _panel(panel: Panel, left: float) -> Iterator[str]:
    yield _text(left + WIDTH / 2, TOP - 12, panel.title, "panel")
    for tick in TICKS:
        yield f'<path class="grid" d="M{left} {_y(tick):.1f}h{WIDTH}"/>'
    sizes = [rows for line in panel.lines for rows, _ in line.points]

    def x(rows: int) -> float:
        inside, span = WIDTH - 60, log10(max(sizes) / min(sizes)) or 1
        return left + 30 + inside * log10(rows / min(sizes)) / span

    for rows in sorted(set(sizes)):
        yield _text(x(rows), TOP + HEIGHT + 18, _count(rows), "middle")
    for number, line in enumerate(panel.lines):
        points = [(x(rows), _y(value)) for rows, value in line.points]
        joined = " ".join(f"{across:.1f},{down:.1f}" for across, down in points)
        yield f'<polyline class="line line{number}" points="{joined}"/>'
        for (across, down), (_, value) in zip(points, line.points, strict=True):
            yield f'<circle class="of{number}" cx="{across:.1f}" cy="{down:.1f}" r="3.5"/>'
            yield _text(across, down + (18 if number else -9), _rounded(value), "middle")
        across, down = points[-1]
        yield _text(across + 25, down + (-9 if number else 20), line.label, f"of{number} end")


def _y(value: float) -> float:
    lowest, highest = TICKS[0], TICKS[-1]
    share = log10(max(value, lowest) / lowest) / log10(highest / lowest)
    return TOP + HEIGHT * (1 - share)


def _text(x: float, y: float, text: str, classes: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{classes}">{escape(text)}</text>'


def _count(rows: int) -> str:
    return f"{rows // 10**6}M" if rows % 10**6 == 0 else f"{rows // 1000}k"


def _rounded(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}"
