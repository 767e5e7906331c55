"""
This module reckons where the bars and lines of charts stand, for SVG that the server draws. It is pure.

A chart is 600 wide and 100 high, downwards; the page stretches it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 600.0, 100.0


@dataclass(frozen=True, slots=True)
class Part:
    """One piece of a bar; `place` tells of which series, `label` what it is."""

    place: int
    x: float
    y: float
    width: float
    height: float
    label: str


@dataclass(frozen=True, slots=True)
class Stack:
    """Bars side by side, each of pieces that stand on one another, and the value that the top stands for."""

    parts: Sequence[Part]
    top: int


def stacked(
    labels: Sequence[str], series: Sequence[tuple[str, Sequence[int]]], *, at_least: int = 1
) -> Stack:
    """Return bars for `labels`, each with a piece for every one of the named `series` that is not 0."""
    totals = [sum(values[place] for _, values in series) for place in range(len(labels))]
    top = max(at_least, *totals) if totals else at_least
    slot = WIDTH / max(1, len(labels))
    parts: list[Part] = []
    for place, label in enumerate(labels):
        below = 0
        for number, (name, values) in enumerate(series):
            value = values[place]
            if not value:
                continue
            below += value
            parts.append(
                Part(
                    place=number,
                    x=round(place * slot + slot * 0.12, 2),
                    y=round(HEIGHT - below / top * HEIGHT, 2),
                    width=round(slot * 0.76, 2),
                    height=round(value / top * HEIGHT, 2),
                    label=f"{label}: {name} {value:,}",
                )
            )
    return Stack(parts, top)


@dataclass(frozen=True, slots=True)
class Line:
    """A line as SVG wants its points, and at which height other values stand."""

    points: str
    marks: Sequence[float]
    top: int


def line(values: Sequence[int], *, marks: Sequence[int] = ()) -> Line:
    """Return a line through `values`, evenly apart, with a little room above whatever is highest."""
    top = max([1, *values, *marks]) * 1.05
    step = WIDTH / max(1, len(values) - 1)

    def y(value: int) -> float:
        return round(HEIGHT - value / top * HEIGHT, 2)

    drawn = " ".join(f"{round(place * step, 2)},{y(value)}" for place, value in enumerate(values))
    return Line(drawn, [y(mark) for mark in marks], round(top))
