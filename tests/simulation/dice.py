"""This module rolls the dice of a simulated world: how often each fault strikes, and everything else."""

from __future__ import annotations

import random
from dataclasses import dataclass, fields


class Dice(random.Random):
    """Seeded luck. Everything that is left to chance in a world comes from here, in one order."""

    def chance(self, rate: float) -> bool:
        """Tell whether something that happens at `rate` (0 to 1) happens now."""
        return rate > 0 and self.random() < rate


@dataclass(slots=True)
class Faults:
    """How often each fault strikes, 0 to 1. Each world has a mixture of its own."""

    lost_webhook: float = 0
    doubled_webhook: float = 0
    late_webhook: float = 0  # it is delivered minutes later, behind newer ones
    receiver_crash: float = 0  # at each step of keeping a webhook
    crash: float = 0  # of a worker, at each of its steps
    stall: float = 0  # of a worker, at each of its steps: it stands still, often beyond its lease
    server_error: float = 0  # a call of Salesforce is refused
    row_lock: float = 0  # one record of a call is refused
    lost_reply: float = 0  # a call was carried out and is not answered
    late_write: float = 0  # a call is given up and carried out minutes later
    failed_read: float = 0  # Stripe does not answer
    lag: float = 0  # Stripe answers with what was true a moment ago
    clock_jump: float = 0  # of a worker's host, at each pass
    walk_crash: float = 0  # at each step of looking for missed events
    refusal: float = 0  # the org refuses a payment for good, until a person tries it again
    untold: float = 0  # a change of which Stripe makes no event: only its object tells

    def stop(self) -> None:
        """End all faults: from here on the world has to come to rest."""
        for fault in fields(self):
            setattr(self, fault.name, 0)


# How often a fault strikes where a world has it: seldom and often.
_RATES: dict[str, tuple[float, float]] = {
    "lost_webhook": (0.1, 0.4),
    "doubled_webhook": (0.1, 0.5),
    "late_webhook": (0.2, 0.6),
    "receiver_crash": (0.05, 0.3),
    "crash": (0.01, 0.05),
    "stall": (0.02, 0.08),
    "server_error": (0.1, 0.4),
    "row_lock": (0.1, 0.4),
    "lost_reply": (0.1, 0.4),
    "late_write": (0.1, 0.4),
    "failed_read": (0.1, 0.3),
    "lag": (0.5, 1.0),
    "clock_jump": (0.05, 0.2),
    "walk_crash": (0.1, 0.3),
    "untold": (0.1, 0.3),
}


def swarm(dice: Dice) -> Faults:
    """
    Return the mixture of a world: about half of the faults are left out of it.

    What is left out gives room to what is not: a world in which every worker dies in a second never
    comes to the bug that needs a minute (https://dl.acm.org/doi/10.1145/2338965.2336763).
    """
    return Faults(**{name: dice.choice((0, 0, *rates)) for name, rates in _RATES.items()})
