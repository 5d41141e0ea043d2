"""Bar charts as SVG, written by hand: they look the same on a light and on a dark page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Optional
from xml.sax.saxutils import escape

COLOURS = ("#1769aa", "#8a8f98", "#2e8b57")
TEXT = "#1f2328"
QUIET = "#59636e"
WIDTH, BAR, GAP, LEFT, RIGHT = 760, 20, 18, 170, 90

Group = tuple[str, Sequence[Optional[float]]]


def bars(
    path: Path,
    title: str,
    note: str,
    series: Sequence[str],
    groups: Sequence[Group],
    *,
    unit: str = "",
    labels: Sequence[Sequence[str]] = (),
    top: Optional[float] = None,
    logarithmic: bool = False,
) -> None:
    """Write a chart of horizontal bars in groups, each bar with its number.

    Args:
        path: the file to write.
        title: what is shown.
        note: a sentence below the title, such as what the axis is.
        series: the names of the bars of a group.
        groups: each group's name with a value for each series; None leaves a bar out.
        unit: what follows each number, such as `%`.
        labels: what to write after the number of each bar, in the shape of `groups`.
        top: the value of a full bar; the largest one when left out.
        logarithmic: whether lengths follow the logarithm, from 1.
    """
    values = [value for _, row in groups for value in row if value is not None]
    top = max(top or 0, *values, 1e-9)
    room = WIDTH - LEFT - RIGHT - 7 * max((len(each) for row in labels for each in row), default=0)

    def length(value: float) -> float:
        if logarithmic:
            return room * math.log10(max(value, 1)) / math.log10(max(top, 10))
        return room * value / top

    parts = [_text(20, 30, title, 17, weight="600"), _text(20, 52, note, 12, QUIET)]
    x = 20.0
    for name, colour in zip(series, COLOURS, strict=False):
        parts += [_box(x, 66, 12, 12, colour), _text(x + 18, 77, name, 12)]
        x += 40 + 7 * len(name)
    y = 100.0
    for place, (name, row) in enumerate(groups):
        drawn = [number for number, value in enumerate(row) if value is not None]
        parts.append(_text(LEFT - 12, y + len(drawn) * BAR / 2 + 4, name, 13, anchor="end"))
        for number in drawn:
            value = row[number] or 0.0
            width = max(length(value), 2)
            text = _number(value) + unit + (f" {labels[place][number]}" if labels else "")
            parts.append(_box(LEFT, y + 2, width, BAR - 4, COLOURS[number]))
            parts.append(_text(LEFT + width + 6, y + 14, text, 12))
            y += BAR
        y += GAP
    parts.append(f'<path d="M{LEFT} 94V{y - GAP + 4:.0f}" stroke="{QUIET}" fill="none"/>')
    path.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y:.0f}" width="{WIDTH}" '
        f'height="{y:.0f}" role="img" aria-label="{escape(title, {chr(34): "&quot;"})}" '
        'font-family="Helvetica, Arial, sans-serif">\n'
        f'<rect width="{WIDTH}" height="{y:.0f}" fill="#ffffff"/>\n' + "\n".join(parts) + "\n</svg>\n",
        encoding="utf-8",
    )


def _number(value: float) -> str:
    if value >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _box(x: float, y: float, width: float, height: float, colour: str) -> str:
    return f'<rect x="{x:.0f}" y="{y:.0f}" width="{width:.1f}" height="{height}" rx="2" fill="{colour}"/>'


def _text(
    x: float,
    y: float,
    text: str,
    size: int,
    colour: str = TEXT,
    anchor: str = "start",
    weight: str = "400",
) -> str:
    return (
        f'<text x="{x:.0f}" y="{y:.0f}" font-size="{size}" font-weight="{weight}" '
        f'text-anchor="{anchor}" fill="{colour}">{escape(text)}</text>'
    )
