"""
This module lays out charts for SVG that the server draws: shapes, round ticks, every value in words.

It is pure. The field of a chart is 600 wide and 100 high, downwards, and the page stretches it; ticks stand
at percents of it, so that their texts are not stretched.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from enum import StrEnum

from monitoring.words import duration

WIDTH, HEIGHT = 600.0, 100.0
LINES = 3  # spaces between the lines of the value axis, at most
TICKS = 6  # of the time axis, at most: as many as a phone has room for
SEEN = 1.5  # of the height: what is not nothing is seen beside what is a lot
THREE_DIGITS = 100  # behind them a fraction says nothing
FREE = 4  # percents at the left of the time axis without a text
NARROW = 0.76  # of its slot: how wide a bar is

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
_STEPS = (
    *(MINUTE * each for each in (5, 10, 15, 30)),
    *(HOUR * each for each in (1, 2, 3, 4, 6, 12, 24)),
)
_QUARTER = 15 * MINUTE  # clocks of all zones are apart by a multiple of it


class Shape(StrEnum):
    """How the values of a series are drawn."""

    LINE = "line"
    STACK = "stack"  # bars, each piece on those of the series before it
    BAND = "band"  # what lies between two edges


@dataclass(frozen=True, slots=True)
class Unit:
    """How values of one kind are written, and which steps between them people take for round."""

    write: Callable[[float], str]
    steps: Sequence[float]


def _number(value: float) -> str:
    return f"{value:,.0f}" if value == round(value) or abs(value) >= THREE_DIGITS else f"{value:,.1f}"


def _length(seconds: float) -> str:
    return duration(timedelta(seconds=seconds)).replace(".0 ", " ") if seconds else "0"


def _decades(first: int, last: int) -> Iterator[float]:
    for power in range(first, last):
        yield from (digit * 10.0**power for digit in (1, 2, 5))


COUNT = Unit(_number, tuple(_decades(0, 12)))
NUMBER = Unit(_number, tuple(_decades(-1, 12)))
# Beyond a minute what is round goes by the clock and not by tens.
LENGTH = Unit(
    _length,
    (
        *_decades(-3, 1), 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14_400, 28_800, 43_200,
        *(86_400.0 * days for days in _decades(0, 4)),
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Series:
    """
    One line of a chart, or its bars: a value for each row, None where there is none.

    `look` is the class of the style sheet, `total` what the legend says while nobody points at a row. A band
    has its values as the upper edge and its lower one in `floor`.
    """

    name: str
    look: str
    values: Sequence[float | None]
    shape: Shape = Shape.LINE
    total: str = ""
    floor: Sequence[float | None] = ()


@dataclass(frozen=True, slots=True)
class Tick:
    """A text beside an axis, at so many percent of it; `moment` if it is a time."""

    at: float
    text: str
    moment: datetime | None = None


@dataclass(frozen=True, slots=True)
class Drawn:
    """One shape: the classes it is drawn with, and its path."""

    look: str
    shape: Shape
    path: str


@dataclass(frozen=True, slots=True)
class Row:
    """What stands at one place of the chart: its time or name, how far across it is, every value in words."""

    text: str
    moment: datetime | None
    x: float
    cells: Sequence[str]


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of the time axis that is marked, by where it begins and how wide it is."""

    x: float
    width: float


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart as the page draws it and reads it out."""

    series: Sequence[Series]
    shapes: Sequence[Drawn]
    values: Sequence[Tick]
    ticks: Sequence[Tick]
    rows: Sequence[Row]
    unit: Unit
    marked: Stretch | None = None

    @property
    def spoken(self) -> str:
        """Return what the whole of it comes to: the total of each series, or from where to where it goes."""
        return ", ".join(f"{one.name} {one.total or self._reach(one)}" for one in self.series)

    def _reach(self, one: Series) -> str:
        known = [value for value in (*one.values, *one.floor) if value is not None]
        if not known:
            return "not known"
        least, most = self.unit.write(min(known)), self.unit.write(max(known))
        return least if least == most else f"{least} to {most}"

    @property
    def last(self) -> int:
        """Return the number of the last row."""
        return len(self.rows) - 1


@dataclass(frozen=True, slots=True)
class Times:
    """A time axis from `start` to `end`, with ticks where the clocks of `zone` are round."""

    start: datetime
    end: datetime
    zone: tzinfo

    def x(self, at: datetime) -> float:
        """Return how far across `at` stands."""
        return WIDTH * ((at - self.start) / (self.end - self.start))

    def stretch(self, since: datetime, until: datetime) -> Stretch:
        """Return the part of the axis from `since` to `until`."""
        begins = self.x(since)
        return Stretch(round(begins, 1), round(self.x(until) - begins, 1))

    def ticks(self) -> list[Tick]:
        """Return the ticks, so many that a phone has room for them."""
        step = next((one for one in _STEPS if (self.end - self.start) / one < TICKS), DAY)
        texts = (
            (self.x(at) / WIDTH * 100, f"{at.astimezone(self.zone):%H:%M}", at) for at in self._round(step)
        )
        # At the very left the text would stand beside that of the value axis.
        return [Tick(round(across, 2), text, at) for across, text, at in texts if across >= FREE]

    def _round(self, step: timedelta) -> Iterator[datetime]:
        grain = min(step, _QUARTER).total_seconds()
        at = datetime.fromtimestamp(math.ceil(self.start.timestamp() / grain) * grain, UTC)
        while at <= self.end:
            local = at.astimezone(self.zone)
            if not (local.hour * 60 + local.minute) % (step // MINUTE):
                yield at
            at += timedelta(seconds=grain)


def over_time(
    series: Sequence[Series], moments: Sequence[datetime], times: Times, *, unit: Unit, each: timedelta
) -> Chart:
    """Return a chart whose rows stand at `moments`, each for as long as `each`; bars fill that."""
    middles = [round(times.x(at + each / 2), 2) for at in moments]
    texts = [f"{local:%-d %b %H:%M %Z}" for local in (at.astimezone(times.zone) for at in moments)]
    places = list(zip(texts, moments, middles, strict=True))
    return _chart(series, places, times.ticks(), slot=times.x(times.start + each), unit=unit)


def by_name(series: Sequence[Series], names: Sequence[tuple[str, str]], *, unit: Unit) -> Chart:
    """Return a chart whose rows stand side by side under `names`, each in full and as short as on an axis."""
    slot = WIDTH / max(1, len(names))
    places = [(name, None, round(slot * (at + 0.5), 2)) for at, (name, _) in enumerate(names)]
    every = max(1, math.ceil(len(names) / TICKS))
    ticks = [
        Tick(round(x / WIDTH * 100, 2), short)
        for at, ((_, _, x), (_, short)) in enumerate(zip(places, names, strict=True))
        if (len(names) - 1 - at) % every == 0  # the last one always
    ]
    return _chart(series, places, ticks, slot=slot, unit=unit)


def _chart(
    series: Sequence[Series],
    places: Sequence[tuple[str, datetime | None, float]],
    ticks: Sequence[Tick],
    *,
    slot: float,
    unit: Unit,
) -> Chart:
    stacks = _stacked(series)
    highest = max((value for upper, _ in stacks for value in upper if value is not None), default=0.0)
    top, step = scale(highest, unit)
    xs = [x for _, _, x in places]
    return Chart(
        series=series,
        shapes=[
            Drawn(one.look, one.shape, _path(one.shape, xs, edges, top=top, slot=slot))
            for one, edges in zip(series, stacks, strict=True)
        ],
        values=[
            Tick(round(100 - 100 * number * step / top, 2), unit.write(number * step))
            for number in range(round(top / step) + 1)
        ],
        ticks=ticks,
        rows=[
            Row(text, moment, x, [_cell(one, at, unit) for one in series])
            for at, (text, moment, x) in enumerate(places)
        ],
        unit=unit,
    )


def scale(highest: float, unit: Unit) -> tuple[float, float]:
    """Return what the top of the value axis stands for, and how far its lines are apart."""
    wanted = max(highest, unit.steps[0])
    step = next((one for one in unit.steps if wanted / one <= LINES), unit.steps[-1])
    return step * math.ceil(round(wanted / step, 6)), step


Edges = tuple[Sequence[float | None], Sequence[float | None]]


def _stacked(series: Iterable[Series]) -> list[Edges]:
    """Return the upper and the lower edge of each series."""
    edges: list[Edges] = []
    below: Sequence[float] = []
    for one in series:
        if one.shape is Shape.STACK:
            low = below or [0.0] * len(one.values)
            high = [start + (value or 0.0) for start, value in zip(low, one.values, strict=True)]
            edges.append((high, low))
            below = high
        else:
            edges.append((one.values, one.floor or [None] * len(one.values)))
    return edges


def _path(shape: Shape, xs: Sequence[float], edges: Edges, *, top: float, slot: float) -> str:
    upper, lower = edges
    if shape is Shape.STACK:
        bars = zip(xs, upper, lower, strict=True)
        return "".join(_bar(x, high or 0.0, low or 0.0, top=top, slot=slot) for x, high, low in bars)
    if shape is Shape.LINE:
        return "".join(_line(part) for part in _unbroken(xs, upper, top))
    above, under = list(_unbroken(xs, upper, top)), list(_unbroken(xs, lower, top))
    return "".join(
        f"{_line(high)}{_line(low[::-1]).replace('M', 'L', 1)}Z"
        for high, low in zip(above, under, strict=True)
    )


def _bar(x: float, high: float, low: float, *, top: float, slot: float) -> str:
    if high <= low:
        return ""
    foot = _y(low, top)
    tall = max(SEEN, foot - _y(high, top))
    return f"M{x - slot * NARROW / 2:.2f},{foot:.2f}v{-tall:.2f}h{slot * NARROW:.2f}v{tall:.2f}z"


Point = tuple[float, float]


def _unbroken(xs: Sequence[float], values: Sequence[float | None], top: float) -> Iterator[list[Point]]:
    """Yield the stretches of a line between the gaps that it has."""
    part: list[Point] = []
    for x, value in zip(xs, values, strict=True):
        if value is not None:
            part.append((x, _y(value, top)))
        elif part:
            yield part
            part = []
    if part:
        yield part


def _line(points: Sequence[Point]) -> str:
    # A point alone would not be drawn: a line of no length with round ends is a dot.
    first, *others = points
    rest = others or [first]
    return f"M{first[0]:.2f},{first[1]:.2f}L{' '.join(f'{x:.2f},{y:.2f}' for x, y in rest)}"


def _y(value: float, top: float) -> float:
    return HEIGHT - value / top * HEIGHT


def _cell(one: Series, at: int, unit: Unit) -> str:
    value = one.values[at]
    if value is None:
        return "–"
    low = one.floor[at] if one.floor else None
    return unit.write(value) if low is None else f"{unit.write(low)} to {unit.write(value)}"
