"""
This module names what is watched: counts that are shares of others, levels, and what a series has of them.

It is pure. Two kinds of series are watched: a connection (its payments and its calls) and a flow (its runs).
"""

from __future__ import annotations

from dataclasses import dataclass

AMOUNT = "amt_max"
CONNECTION, FLOW = "connection", "flow"


@dataclass(frozen=True, slots=True)
class Share:
    """
    A count that is a share of another, and what makes it unusual.

    It has to be at least `gate` times what is usual in the last 1, 3, 6 or 12 bins. `surges` are pairs of
    a factor that is looked for in all bins since it may have begun, and the evidence (in nats) that it
    takes; the first pair finds what rises slowly. `usual` is believed until something has been counted.
    """

    metric: str
    kind: str
    of: str
    words: str
    usual: float
    gate: float
    surges: tuple[tuple[float, float], ...]
    follows: bool = False  # comes later than its charges, so that a drop of them makes no surge of it
    slow_kind: str = ""

    def kind_of(self, surge: int | None) -> str:
        """Return the kind of an incident that the surge of that number gave away, if any did."""
        return self.slow_kind if surge == 0 and self.slow_kind else self.kind


@dataclass(frozen=True, slots=True)
class Level:
    """
    A measure that is high or low and counts nothing: how long something takes, as its 95th percentile.

    Below `floor` all values are alike, and below `least` none is unusual, however quick it usually is; both
    are in the unit of the measure.
    """

    metric: str
    kind: str
    words: str
    unit: str
    floor: float = 0.0
    least: float = 0.0


@dataclass(frozen=True, slots=True)
class Profile:
    """What a series has: its volume, whose falls and rises are told or not, its shares and levels."""

    volume: str
    words: str
    falls: bool  # whether fewer, and not only none, is told
    rises: bool
    silence: str  # the kind of an incident in which nothing comes
    shares: tuple[Share, ...]
    levels: tuple[Level, ...]


PROFILES: dict[str, Profile] = {
    CONNECTION: Profile(
        "charges", "charges", falls=True, rises=True, silence="outage",
        shares=(
            Share(
                "failed", "failed_spike", "charges", "failed charges",
                usual=0.05, gate=1.8, surges=((1.7, 9.3), (4.0, 8.5)), slow_kind="slow_fail_drift",
            ),
            Share(
                "refunds", "refund_surge", "charges", "refunds",
                usual=0.015, gate=2.2, surges=((2.2, 9.3), (5.0, 8.5)), follows=True,
            ),
            Share(
                "disputes", "dispute_wave", "charges", "disputes",
                usual=0.001, gate=4.0, surges=((6.0, 8.5), (16.0, 8.5)), follows=True,
            ),
            Share(
                "dup_events", "dup_surge", "charges", "events that came twice",
                usual=0.005, gate=3.0, surges=((3.0, 9.0), (8.0, 8.5)),
            ),
            Share(
                "call_errors", "call_error_surge", "calls", "calls that failed",
                usual=0.01, gate=2.5, surges=((2.5, 9.5), (8.0, 9.0)),
            ),
        ),
        levels=(
            Level("call_ms", "latency_rise", "Calls take", "ms"),
            Level("delivery_s", "delivery_lag", "Events arrive", "s late", floor=5.0, least=60.0),
        ),
    ),
    FLOW: Profile(
        "runs", "runs", falls=False, rises=False, silence="flow_silence",
        shares=(
            Share(
                "run_errors", "run_error_surge", "runs", "runs that failed",
                usual=0.01, gate=2.5, surges=((2.5, 9.5), (8.0, 9.0)),
            ),
        ),
        levels=(Level("run_s", "run_lag", "Runs take", "s until they end", floor=2.0, least=20.0),),
    ),
}  # fmt: skip

# What people choose how keenly it is watched, and what an incident of it goes by: its key.
KEYS: dict[str, str] = {
    "drop": "Fewer charges, or none",
    "spike": "More charges",
    "failed": "Failed charges",
    "refunds": "Refunds",
    "disputes": "Disputes",
    "dup_events": "Events that came twice",
    AMOUNT: "Amounts far above what the customer pays",
    "call_errors": "Calls that fail",
    "call_ms": "Slow calls",
    "delivery_s": "Events that arrive late",
    "silence": "Flows without runs",
    "run_errors": "Runs that fail",
    "run_s": "Slow runs",
}
_KEY_OF_KIND = {"volume_drop": "drop", "outage": "drop", "volume_spike": "spike", "flow_silence": "silence"}


def key_of(kind: str, metric: str) -> str:
    """Return the key that an incident goes by."""
    return _KEY_OF_KIND.get(kind, metric)


def metrics_of(profile: Profile) -> tuple[str, ...]:
    """Return the names of everything that a series of the profile can measure, its volume first."""
    named = (profile.volume, *(one.metric for one in profile.shares), *(one.metric for one in profile.levels))
    return tuple(dict.fromkeys(named))
