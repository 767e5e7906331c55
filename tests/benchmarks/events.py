"""This module makes the events of a measurement: signed, 3.8 kB, with duplicates and disorder if wanted."""

from __future__ import annotations

import hashlib
import hmac
import json
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

SIZE = 3_800  # bytes; what a charge event of Stripe has in practice
TEMPLATE = Path(__file__).parents[2] / "flows" / "recipes" / "samples" / "payments.charge_succeeded.json"
SPACING = 60  # seconds between the versions of one charge: the order can be told from `created`

# What a charge goes through here, and what the Payment record then shows.
STATES = (
    ("charge.pending", "pending", "Pending"),
    ("charge.failed", "failed", "Failed"),
    ("charge.succeeded", "succeeded", "Completed"),
)


@dataclass(frozen=True, slots=True)
class Made:
    """One event, and what its charge's record must show if no newer one exists."""

    id: str
    charge: str
    version: int
    body: bytes
    amount: int
    status: str


class Maker:
    """Makes events by filling a template, since a load generator must cost little."""

    def __init__(self, *, prefix: str = "", now: float | None = None, names: Sequence[str] = ()) -> None:
        """`names` are what each event names besides: customer, salesforce_account_id and the like."""
        event = json.loads(TEMPLATE.read_text())
        charge = event["data"]["object"]
        event |= {"id": "<event>", "type": "<type>", "created": 1_111_111_111}
        charge |= {
            "id": "<charge>",
            "status": "<status>",
            "amount": 2_222_222,
            "payment_intent": None,
            "customer": None,
        }
        charge |= {name: f"<{name}>" for name in names if name == "customer"}
        charge |= {"amount_captured": 2_222_222, "captured": True, "created": 1_111_111_112}
        charge["metadata"] = {"order_id": "<order>", "note": ""}
        charge["metadata"] |= {name: f"<{name}>" for name in names if name != "customer"}
        missing = SIZE - len(json.dumps(event))
        charge["metadata"]["note"] = "n" * max(0, missing)
        self._template = json.dumps(event).encode()
        self._prefix = prefix
        self._begun = int(time.time() if now is None else now) - 3_600

    def make(self, charge: int, version: int, ids: Mapping[str, str] | None = None) -> Made:
        """Return version `version` (from 0) of the charge with this number, naming `ids`."""
        kind, status, shown = STATES[version % len(STATES)]
        name = f"ch_{self._prefix}{charge:016}"  # as long as real ones
        event = f"evt_{self._prefix}{charge:016}v{version}"
        amount = 1_000 + charge % 9_000 + version * 10_000
        created = self._begun + version * SPACING + charge % SPACING
        body = self._template
        for mark, value in (
            (b"<event>", event),
            (b"<charge>", name),
            (b"<type>", kind),
            (b"<status>", status),
            (b"<order>", f"ORD-{charge}"),
            (b"1111111111", str(created)),
            (b"1111111112", str(self._begun)),
            (b"2222222", str(amount)),
        ):
            body = body.replace(mark, value.encode())
        for wanted, given in (ids or {}).items():
            body = body.replace(f"<{wanted}>".encode(), given.encode())
        return Made(event, name, version, body, amount, shown)

    def histories(self, charges: int, versions: int, *, seed: int, disorder: float = 0.0) -> list[Made]:
        """
        Return the events of `charges`, mixed as traffic mixes them.

        Versions of one charge stand in order, a few dozen events apart, but for the part
        `disorder` of them, which change places with their successor.
        """
        dice = random.Random(seed)
        ordered = sorted(
            (charge + version * 40 + dice.uniform(0, 20), charge, version)
            for charge in range(charges)
            for version in range(versions)
        )
        places = [(charge, version) for _, charge, version in ordered]
        where = {place: index for index, place in enumerate(places)}
        for charge, version in list(where):
            later = (charge, version + 1)
            if later in where and dice.random() < disorder:
                here, there = where[charge, version], where[later]
                places[here], places[there] = places[there], places[here]
                where[charge, version], where[later] = there, here
        return [self.make(charge, version) for charge, version in places]


def with_duplicates(events: Sequence[Made], part: float, *, seed: int) -> list[Made]:
    """Return `events` with a `part` of them delivered once more, somewhat later."""
    dice = random.Random(seed)
    placed = [(float(index), event) for index, event in enumerate(events)]
    placed += [
        (index + dice.uniform(1, 500), event) for index, event in enumerate(events) if dice.random() < part
    ]
    return [event for _, event in sorted(placed, key=lambda pair: pair[0])]


def request(event: Made, *, path: str, secret: str) -> bytes:
    """Return the whole HTTP request that delivers `event`, signed now."""
    stamp = b"%d" % time.time()
    digest = hmac.digest(secret.encode(), stamp + b"." + event.body, hashlib.sha256).hex()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: Stripe/1.0\r\nAccept: */*\r\n"
        f"Content-Type: application/json; charset=utf-8\r\nContent-Length: {len(event.body)}\r\n"
        f"Stripe-Signature: t={stamp.decode()},v1={digest}\r\n\r\n"
    )
    return head.encode() + event.body
