"""This module is the command line of the measurements."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial

from tests.benchmarks import (
    accounts,
    anomalies,
    calls,
    customers,
    decoding,
    delivery,
    drain,
    duplicates,
    goals,
    growth,
    listener,
    losses,
    mapping,
    memory,
    receiver,
    simulated,
    stripe_rate,
    suggestions,
    sustained,
)
from tests.benchmarks.asked import Asked, Measured

WHAT: dict[str, tuple[str, Callable[[Asked], Measured]]] = {
    "delivery": ("P1: what is lost while everything is killed and Salesforce is away", delivery.measure),
    "sustained": (
        "P2, P10: events/s from end to end and their processor time, with Node-RED",
        sustained.measure,
    ),
    "receiver": ("P3, P4: the receiver, a tutorial's view, nothing at all, single rows", receiver.measure),
    "calls": ("P5, P6, P8: Salesforce calls, acknowledgements and delays at three loads", calls.measure),
    "drain": ("P7: a full inbox through django-q2 against one call for each event", drain.measure),
    "mapping": ("P9: ten mapped fields against the same written by hand", mapping.report),
    "suggestions": ("S: how good and how fast suggested mapping lines are", suggestions.report),
    "duplicates": ("D: how well known customers are found again among 100,000", duplicates.report),
    "anomalies": ("A: how good and how fast anomalies of payments are found", anomalies.report),
    "memory": ("P11: memory of the processes", memory.measure),
    "growth": ("P12: the same with a million rows, pages among them, and while purging", growth.measure),
    "customers": ("what the payments template costs with customers, accounts and orders", customers.measure),
    "stripe-rate": ("how near changes come to Stripe's rate limit, and what is refused", stripe_rate.measure),
    "listener": ("L1: how fast the event bus is heard and stored, and in how much memory", listener.measure),
    "decoding": ("L2: what it costs to decode an event of the bus", decoding.measure),
    "accounts": ("L3, L4: changed accounts on their way to Stripe, many at once and alone", accounts.measure),
    "simulation": ("W: how many runs of simulated worlds are played in a second", simulated.report),
    "node-red": ("what Node-RED loses in the trouble of `delivery`", losses.measure),
}
CALM = "`delivery` without trouble, with the processor time of each event"


def main() -> None:
    """Measure what was asked for and print it."""
    names, asked = _asked()
    measured = Measured()
    for name in names:
        print(f"{name}:", flush=True)
        one = partial(delivery.measure, trouble=delivery.CALM) if name == "calm" else WHAT[name][1]
        measured.add(one(asked))
    for table in measured.tables:
        print(f"\n{table}")
    if measured.figures:
        print(f"\n{goals.compared(measured.figures)}")


def _asked() -> tuple[list[str], Asked]:
    usual = Asked()
    told = [f"{name} = {text}" for name, (text, _) in WHAT.items()]
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks", epilog="; ".join([*told, f"calm = {CALM}", "all = P1 to P12"])
    )
    parser.add_argument("names", nargs="+", choices=[*WHAT, "calm", "all"], metavar="name")
    parser.add_argument("--database", action="append", choices=["sqlite", "postgresql"])
    parser.add_argument("--redis", default="", help="redis://... for the doorbell; default: the database")
    parser.add_argument("--rounds", type=int, default=usual.rounds)
    parser.add_argument("--seconds", type=float, default=usual.seconds, help="of a receiver under load")
    parser.add_argument("--events", type=int, default=usual.events)
    parser.add_argument("--rows", type=int, default=usual.rows, help="growth: how many have gathered")
    parser.add_argument("--known", type=int, default=usual.known, help="duplicates: customers")
    parser.add_argument("--rate", type=float, default=usual.rate, help="events a second; 0: no limit")
    parser.add_argument(
        "--latency", type=float, default=usual.latency, help="of the simulated Salesforce, in s"
    )
    parser.add_argument(
        "--flow", default=usual.flow, help="drain, sustained, calls: job, or a template's slug"
    )
    parser.add_argument(
        "--store",
        default=usual.store,
        choices=["memory", "database"],
        help="duplicates: where they are known",
    )
    parser.add_argument("--served", action="store_true", help="receiver: measure the whole web process")
    given = parser.parse_args()
    names = [name for asked in given.names for name in (WHAT if asked == "all" else [asked])]
    asked = Asked(
        kinds=given.database or usual.kinds,
        rounds=given.rounds,
        events=given.events,
        rate=given.rate or None,
        seconds=given.seconds,
        latency=given.latency,
        rows=given.rows,
        known=given.known,
        redis=given.redis,
        flow=given.flow,
        served=given.served,
        store=given.store,
    )
    return names, asked


main()
