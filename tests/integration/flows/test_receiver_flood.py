"""Strangers who post to addresses that they made up do not make genuine deliveries fail."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import Counter

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from connectors.models import WebhookEndpoint
from flows.endpoints import ASK_AGAIN_AFTER, Endpoints, Table
from flows.models import Event
from flows.receiver import Receiver
from tests.receiving import an_endpoint, an_event, quiet, request, serving

pytestmark = pytest.mark.django_db(transaction=True)

STRANGERS = 120
SECONDS = 5.0  # twice as long as an endpoint is kept without looking


class Counted:
    """Reads the endpoints as ever, and counts how often."""

    def __init__(self) -> None:
        self.readings = 0
        self._table = Table()

    def __call__(self):
        self.readings += 1
        return self._table()


async def _status(port: int, sent: bytes) -> int:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)
    line = await reader.readline()
    writer.close()
    await writer.wait_closed()
    return int(line.split()[1])


async def _flood(port: int, endpoint: WebhookEndpoint) -> tuple[Counter[int], Counter[int]]:
    ends = time.monotonic() + SECONDS
    theirs: Counter[int] = Counter()
    ours: Counter[int] = Counter()

    async def stranger() -> None:
        while time.monotonic() < ends:
            theirs[
                await _status(port, request(f"/hooks/stripe/{secrets.token_hex(8)}/", b"{}", "t=1,v1=0"))
            ] += 1

    async def stripe() -> None:
        number = 0
        while time.monotonic() < ends:
            number += 1
            ours[await _status(port, request(endpoint, an_event(number)))] += 1
            await asyncio.sleep(0.1)

    await asyncio.gather(stripe(), *(stranger() for _ in range(STRANGERS)))
    return theirs, ours


def test_a_flood_of_made_up_addresses_costs_genuine_deliveries_nothing(endpoint):
    counted = Counted()
    began = time.monotonic()

    with serving(Receiver(committer=quiet(within=30.0), endpoints=Endpoints(load=counted))) as served:
        theirs, ours = asyncio.run(_flood(served.port, endpoint))

    assert set(theirs) == {404}
    assert set(ours) == {200}
    assert Event.objects.count() == ours[200]
    assert counted.readings <= (time.monotonic() - began) / ASK_AGAIN_AFTER + 2


def test_all_endpoints_are_read_in_one_query(endpoint):
    others = [an_endpoint("whsec_one", "whsec_two", connection=endpoint.connection) for _ in range(20)]
    WebhookEndpoint.objects.create(connection=endpoint.connection)
    table = Table()

    with CaptureQueriesContext(connection) as queries:
        found = table()

    assert len(queries) == 1
    assert len(found) == 22
    assert {len(found[other.public_id].secrets) for other in others} == {2}
