"""
This module renders the pieces of pages that change while somebody looks at them.

The same pieces go over the web socket and, when that is lost, to the page that asks every few seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime

from django.template.loader import render_to_string

from flows.models import Change, Run
from integrator.accounts.models import Environment
from monitoring import cursor, navigation, queries

# More rows than this are on no page; the rest is only counted.
MOST_ROWS = 100


@dataclass(slots=True)
class News:
    """What changed in an environment since it was last told."""

    position: str
    runs: dict[str, None] = field(default_factory=dict)  # public ids, in order and each once
    changed: bool = False
    more: bool = False  # more runs changed than are named here
    alerts: bool = False  # whether an alert is among it
    payments: bool = False  # whether it says how payments stand
    happened: bool = False  # whether there is anything but that, which only tells again what had happened

    @classmethod
    def since(cls, position: str, *, environment_id: int) -> News:
        """Return what happened behind `position`; what is more than a page can take in is not named."""
        news = cls(position=position)
        changes = cursor.after(position, environment_id=environment_id)
        if len(changes) >= cursor.MOST:
            return cls(
                position=cursor.latest(), changed=True, more=True, alerts=True, payments=True, happened=True
            )
        for change in changes:
            news.add(change)
        return news

    def add(self, change: Change) -> None:
        """Take in one more change."""
        self.position, self.changed = cursor.position_of(change), True
        self.alerts = self.alerts or change.kind == "alert"
        self.payments = self.payments or change.kind == "payments"
        self.happened = self.happened or change.kind != "payments"
        named = change.summary.get("runs", [])
        self.more = self.more or len(named) >= Change.MOST_RUNS
        for public_id in named:
            self.runs[str(public_id)] = None
        while len(self.runs) > MOST_ROWS:
            self.runs.pop(next(iter(self.runs)))
            self.more = True


@dataclass(frozen=True, slots=True)
class Reader:
    """What a page shows: its topics, and the public ids of the runs on it."""

    topics: frozenset[str] = frozenset()
    rows: frozenset[str] = frozenset()


class Edition:
    """One telling of the news of an environment: each piece is rendered once, however many read it."""

    def __init__(self, environment: Environment, news: News, *, now: datetime) -> None:
        self.environment = environment
        self.news = news
        self.now = now
        self._pieces: dict[str, str] = {}
        self._runs: list[Run] | None = None

    def for_reader(self, reader: Reader) -> str:
        """Return what the page of `reader` has to learn, as HTML."""
        pieces = [self._once("frame", self._frame)]
        if "dashboard" in reader.topics:
            pieces.append(self._once("figures", self._figures))
            if self.news.happened:
                pieces.append(self._once("last", self._last_runs))
        pieces += [self._row(run) for run in self._changed_runs() if run.public_id in reader.rows]
        if "runs" in reader.topics:
            unseen = [run for run in self._changed_runs() if run.public_id not in reader.rows]
            pieces.append(
                render_to_string("monitoring/_live_stubs.html", {"runs": unseen, "more": self.news.more})
            )
        if self.news.happened:
            pieces.append("<i data-stale></i>")
        if self.news.payments:
            pieces.append("<i data-payments></i>")
        if self.news.alerts:
            pieces.append("<i data-alerts></i>")
        return "".join(pieces)

    def for_readers(self, readers: Iterable[Reader]) -> list[str]:
        """Return what each of `readers` has to learn, in their order."""
        return [self.for_reader(reader) for reader in readers]

    def _once(self, name: str, render: Callable[[], str]) -> str:
        if name not in self._pieces:
            self._pieces[name] = render()
        return self._pieces[name]

    def _frame(self) -> str:
        """Return what every page shows: the position, the numbers of the navigation, the alarm."""
        counts = queries.nav_counts(self.environment)
        counters = [{"name": counter, "count": counts[counter.slug]} for counter in navigation.COUNTERS]
        context = {
            "position": self.news.position,
            "counters": counters,
            "alarms": queries.alarms(self.environment, now=self.now),
        }
        return render_to_string("monitoring/_live_frame.html", context)

    def _figures(self) -> str:
        figures = queries.dashboard(self.environment, now=self.now)
        return render_to_string("monitoring/_figures.html", {**figures, **self._place()})

    def _last_runs(self) -> str:
        context = {
            "last_runs": queries.last_runs(self.environment),
            "started": queries.started(self.environment),
            **self._place(),
        }
        return render_to_string("monitoring/_last_runs.html", context)

    def _row(self, run: Run) -> str:
        def render() -> str:
            row = render_to_string("flows/_run_row.html", {"run": run, **self._place()})
            return f"<table><tbody>{row}</tbody></table>"  # a row is read as one only inside of a table

        return self._once(f"run:{run.public_id}", render)

    def _changed_runs(self) -> list[Run]:
        if self._runs is None:
            named = Run.objects.filter(public_id__in=list(self.news.runs), pair__environment=self.environment)
            self._runs = list(named.select_related("flow", "version", "event").order_by("id"))
        return self._runs

    def _place(self) -> dict[str, object]:
        return {"workspace": self.environment.workspace, "environment": self.environment}
