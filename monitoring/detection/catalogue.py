"""This module names the metrics that are watched as shares of something, and how keenly. It is pure."""

from __future__ import annotations

from dataclasses import dataclass

VOLUME, LATENCY, AMOUNT = "charges", "lat_p95_ms", "amt_max"


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


SHARES: tuple[Share, ...] = (
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
        "dup_events", "dup_surge", "charges", "events delivered twice",
        usual=0.005, gate=3.0, surges=((3.0, 9.0), (8.0, 8.5)),
    ),
    Share(
        "sf_errors", "sf_error_surge", "sf_calls", "Salesforce calls refused",
        usual=0.01, gate=2.5, surges=((2.5, 9.5), (8.0, 9.0)),
    ),
)  # fmt: skip
