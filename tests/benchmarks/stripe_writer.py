"""
This module is one worker of the measurement of Stripe's rate: it changes customers through the gateway.

It runs in the environment of a product, and prints what it has sent as JSON.
"""

from __future__ import annotations

import json
import sys
import time

import django
from django.utils import timezone

BATCH = 40  # changes at once, as a batch of runs would


def main() -> None:
    """Change the customers whose ids come in on standard input, until each is changed."""
    django.setup()
    from connectors import gateway  # noqa: PLC0415  # models exist only once Django is set up
    from connectors.models import Connection  # noqa: PLC0415  # as above
    from integrator.kernel import errors  # noqa: PLC0415  # as above

    connection = Connection.objects.get(system="stripe")
    print(json.dumps({"ready": True}), flush=True)  # how long a process takes to start is not measured
    todo, changed = json.load(sys.stdin), 0
    while todo:
        batch, todo = todo[:BATCH], todo[BATCH:]
        requests = [
            {"object": "customer", "id": one, "values": {"name": f"Renamed {one}"}, "key": f"rate-{one}"}
            for one in batch
        ]
        results = gateway.call_many(connection_id=connection.pk, action="update", requests=requests)
        for one, result in zip(batch, results, strict=True):
            if not isinstance(result, errors.IntegrationError):
                changed += 1
            elif isinstance(result, errors.RateLimited | errors.Transient):
                todo.append(one)
            else:
                raise RuntimeError(f"{one}: {result}")
        rest = next((r.resets_at for r in results if isinstance(r, errors.RateLimited) and r.resets_at), None)
        if rest is not None:
            # Not to the end: another process may have found out before that the connection works again.
            time.sleep(min(1.0, max(0.1, (rest - timezone.now()).total_seconds())))
    print(json.dumps({"changed": changed}))


if __name__ == "__main__":
    main()
