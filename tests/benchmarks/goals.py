"""This module holds the goals P1 to P12, L, S, D, A and W and compares them with what was measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

N8N_QUEUE_MODE = 50.0  # events/s of n8n 2.40.7 with PostgreSQL and Redis, as published with the goals


@dataclass(frozen=True)
class Goal:
    """One figure that is to be reached."""

    key: str  # P2.n8n.postgresql; what follows the last dot is the database, if there is one
    text: str
    at_most: float | None = None
    at_least: float | None = None

    def met(self, figure: float) -> bool:
        """Tell whether `figure` is good enough; what was not measured is not."""
        if self.at_most is not None:
            return figure <= self.at_most
        assert self.at_least is not None
        return figure >= self.at_least


def _both(key: str, text: str, **limit: float) -> list[Goal]:
    return [Goal(f"{key}.{kind}", f"{text}, {name}", **limit) for kind, name in DATABASES.items()]


DATABASES = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}

GOALS: tuple[Goal, ...] = (
    *_both("P1.lost", "acknowledged events lost or wrong", at_most=0),
    *_both("P2.n8n", "events/s against n8n's queue mode", at_least=20),
    *_both("P2.node_red", "events/s against Node-RED", at_least=0.6),
    *_both("P3.rate", "receiver, events/s against the tutorial's view", at_least=10),
    *_both("P3.cpu", "receiver, processor time against the tutorial's view", at_least=10),
    Goal("P3.noop.sqlite", "receiver, processor time against the no-op, SQLite", at_most=6),
    Goal("P3.noop.postgresql", "receiver, processor time against the no-op, PostgreSQL", at_most=10),
    *_both("P3.p99", "receiver, p99 at saturation in ms", at_most=50),
    Goal("P4.floor.sqlite", "receiver against single-row commits, SQLite FULL", at_least=1.0),
    Goal("P4.floor.postgresql", "receiver against single-row commits of 8 clients, PostgreSQL", at_least=0.4),
    *_both("P5.p99", "p99 of the acknowledgement at 300/s in ms", at_most=50),
    *_both("P5.visible", "p50 until a lone event is in Salesforce in s", at_most=1),
    *_both("P6.saturated", "Salesforce calls per event, saturated", at_most=0.01),
    *_both("P6.steady", "Salesforce calls per event at 300/s", at_most=0.05),
    *_both("P6.idle", "Salesforce calls per event, idle", at_most=1),
    *_both("P7.times", "drain against one call for each event", at_least=30),
    *_both("P7.cpu", "drain, ms of workers' processor time per event", at_most=0.3),
    *_both("P8.jobs", "django-q2 jobs per 1,000 events, saturated", at_most=5),
    Goal("P9.mapping", "ten mapped fields against the same by hand", at_most=3),
    Goal("P9.expression", "µs of a line that is an expression", at_most=20),
    *_both("P10.cpu", "ms of processor time per event end to end, database included", at_most=1.0),
    *_both("P11.small", "MB of web and one worker", at_most=300),
    Goal("P11.whole.sqlite", "MB of the whole embedded stack with the sandbox", at_most=900),
    *_both("P12.rate", "events/s with 1,000,000 rows against empty", at_least=0.9),
    *_both("P12.pages", "p95 of lists and filters with 1,000,000 rows in ms", at_most=500),
    *_both("P12.purge", "p99 of the acknowledgement while purging in ms", at_most=50),
    *_both("L1.rate", "events/s of the bus stored by the listener", at_least=1_000),
    *_both("L1.memory", "MB of the listener at its highest", at_most=150),
    *_both("L1.wrong", "events of the bus missing or stored twice", at_most=0),
    Goal("L2.decode", "µs to decode an event of the bus", at_most=60),
    *_both("L3.share", "% of Stripe's limit that changed accounts come to", at_least=90),
    *_both("L3.refused", "of their requests refused (429)", at_most=0),
    *_both("L3.wrong", "customers that did not follow their accounts", at_most=0),
    *_both("L4.alone", "p50 until a lone change is at Stripe in s", at_most=1),
    Goal("S.top1", "suggestions: the right field first", at_least=0.88),
    Goal("S.top3", "suggestions: the right field among three", at_least=0.94),
    Goal("S.mrr", "suggestions: mean reciprocal rank", at_least=0.92),
    Goal("S.strong", "suggestions: right among the strong ones", at_least=0.85),
    Goal("S.changes", "suggestions: the right change with the right field", at_least=0.95),
    Goal("S.ms", "suggestions: ms for 150 paths x 50 fields", at_most=300),
    Goal("S.embedded.top1", "suggestions with the model: the right field first", at_least=0.91),
    Goal("S.embedded.top3", "suggestions with the model: the right field among three", at_least=0.96),
    Goal("S.embedded.ms", "suggestions with the model: ms for 150 x 50 with warm vectors", at_most=100),
    Goal("D.f1", "duplicates among 100,000: F1 at the best threshold", at_least=0.93),
    Goal("D.precision", "duplicates: rightly merged without a person", at_least=0.998),
    Goal("D.auto", "duplicates: share of them merged without a person", at_least=0.75),
    Goal("D.recall", "duplicates: share of them merged or shown", at_least=0.96),
    Goal("D.review", "duplicates: % of customers that a person looks at", at_most=15),
    Goal("D.p95", "duplicates: p95 in ms of processor time", at_most=10),
    Goal("D.p99", "duplicates: p99 in ms of processor time", at_most=50),
    *_both("D.store.p95", "duplicates in the database: p95 of a look-up in ms", at_most=10),
    *_both("D.store.p99", "duplicates in the database: p99 of a look-up in ms", at_most=50),
    Goal("A.f1", "anomalies: F1 on unseen streams", at_least=0.88),
    Goal("A.false", "anomalies: false alerts a day", at_most=0.15),
    Goal("A.delay", "anomalies: median delay in minutes", at_most=10),
    Goal("A.kinds", "anomalies: recall of the worst kind but drops", at_least=0.75),
    Goal("A.drop", "anomalies: recall of drops of volume", at_least=0.60),
    Goal("A.low", "anomalies: F1 at five charges a bin", at_least=0.60),
    Goal("A.flows.f1", "anomalies of runs: F1 on unseen streams", at_least=0.88),
    Goal("A.flows.false", "anomalies of runs: false alerts a day", at_most=0.15),
    Goal("A.flows.delay", "anomalies of runs: median delay in minutes", at_most=10),
    Goal("A.calls.f1", "anomalies of calls: F1 on unseen streams", at_least=0.88),
    Goal("A.calls.false", "anomalies of calls: false alerts a day", at_most=0.15),
    Goal("A.calls.delay", "anomalies of calls: median delay in minutes", at_most=10),
    Goal("A.us", "anomalies: µs a bin", at_most=200),
    Goal("W.kernel", "simulation: runs/s in worlds of the kernel's model, one core", at_least=1_000),
    Goal("W.real", "simulation: runs/s in worlds of the real worker, one core", at_least=20),
)


def compared(measured: Mapping[str, float]) -> str:
    """Return the goals of which something was measured as a table, with what was missed marked."""
    lines = ["| # | what | goal | measured | |", "| --- | --- | --- | --- | --- |"]
    for goal in GOALS:
        if goal.key in measured:
            limit = f"at most {goal.at_most:g}" if goal.at_most is not None else f"at least {goal.at_least:g}"
            figure = measured[goal.key]
            verdict = "" if goal.met(figure) else "missed"
            number = goal.key.partition(".")[0]
            lines.append(f"| {number} | {goal.text} | {limit} | {figure:,.4g} | {verdict} |")
    return "\n".join(lines)
