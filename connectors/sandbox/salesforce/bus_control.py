"""This module serves the control endpoints of the event bus, and one that changes records as people do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import grpc
from starlette.responses import Response

from connectors.sandbox.control import body_of
from connectors.sandbox.salesforce.bus.changes import IN_BROWSER, NOTHING, Change
from connectors.sandbox.salesforce.bus.schemas import KINDS
from connectors.sandbox.salesforce.merging import merge
from connectors.sandbox.salesforce.org_control import reply, routes_of
from connectors.sandbox.salesforce.pubsub.refusals import PREFIX, Unserved
from connectors.sandbox.salesforce.pubsub.subscription import Cut
from connectors.sandbox.salesforce.saving import Saving

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.routing import Route

    from connectors.sandbox.salesforce.org import Org
    from connectors.sandbox.salesforce.pubsub.server import Server
    from connectors.sandbox.salesforce.pubsub.service import Service
    from connectors.sandbox.salesforce.tables import Table

PERSON = "person@acme.example"
TIMES = ("retention", "keepalive", "idle", "delay")


class BusControl:
    """The hand that breaks streams, makes events go missing, and changes records behind the API's back."""

    def __init__(self, org: Org, service: Service, server: Server) -> None:
        self.org = org
        self.service = service
        self.server = server

    def routes(self) -> list[Route]:
        """Return the routes; they stand beside those that every service has."""
        return routes_of(
            (
                ("pubsub", "GET", self.show),
                ("pubsub/ca.pem", "GET", self.show_authority),
                ("pubsub", "POST", self.set),
                ("pubsub/topics", "POST", self.refuse_topic),
                ("pubsub/channels", "POST", self.make_channel),
                ("pubsub/cut", "POST", self.cut_streams),
                ("pubsub/expire", "POST", self.expire),
                ("pubsub/changes", "POST", self.tell_change),
                ("pubsub/repeat", "POST", self.repeat),
                ("changes", "POST", self.change_record),
            )
        )

    async def show(self, request: Request) -> Response:
        """Show where the Pub/Sub API listens, whom to trust there, who listens, and what is kept."""
        server, streaming = self.server, self.org.streaming
        return reply(
            {
                "endpoint": server.endpoint,
                "ca": server.authority,
                **{name: getattr(streaming, name) for name in TIMES},
                "clients": streaming.clients,
                "lost": streaming.lost,
                "refused": sorted(streaming.refused),
                "events": self.org.log.counts(),
                "streams": [
                    {"topic": s.topic, "pending": s.pending, "delivered": s.delivered, "replay": s.after}
                    for s in list(self.service.streams)
                ],
            }
        )

    async def show_authority(self, request: Request) -> Response:
        """Give the certificate to trust, as a file for clients that want one."""
        return Response(self.server.authority, media_type="application/x-pem-file")

    async def set(self, request: Request) -> Response:
        """
        Set times in seconds (retention, keepalive, idle, delay) and how many `clients` may listen.

        `lost` is the share of the changes that the bus never tells of (0.05); `seed` begins the dice anew.
        """
        data, streaming = await body_of(request), self.org.streaming
        if "lost" in data:
            streaming.lose(float(data.pop("lost")), seed=int(data.pop("seed", 1)))
        times = {name: float(data.pop(name)) for name in TIMES if name in data}
        clients = int(data.pop("clients", streaming.clients))
        if data:
            raise ValueError(f"The bus has no {', '.join(sorted(data))}")
        for name, seconds in times.items():
            setattr(streaming, name, max(0.0, seconds))
        streaming.clients = clients
        self.org.log.wake()
        return await self.show(request)

    async def refuse_topic(self, request: Request) -> Response:
        """Refuse a `topic` to everybody and cut its streams, or give it back with `refused` false."""
        data, refused = await body_of(request), self.org.streaming.refused
        topic = str(data["topic"])
        if not data.get("refused", True):
            refused.discard(topic)
            return reply({"refused": sorted(refused), "cut": 0})
        refused.add(topic)
        message = f"You don't have permission to subscribe to the topic {topic}."
        cut = self.service.cut(topic, Cut(Unserved("subscription.topic.cannot.subscribe", message)))
        return reply({"refused": sorted(refused), "cut": cut})

    async def make_channel(self, request: Request) -> Response:
        """
        Make a custom channel, or change one: its `topic`, such as /data/Sales__chn, and `objects`.

        https://developer.salesforce.com/docs/atlas.en-us.change_data_capture.meta/change_data_capture/cdc_subscribe_channels.htm
        """
        data = await body_of(request)
        topic = str(data["topic"])
        if not (topic.startswith("/data/") and topic.endswith("__chn")):
            raise ValueError("The topic of a custom channel is like /data/Sales__chn")
        names = frozenset(self.org.table(str(name)).whole.object.name for name in data["objects"])
        self.org.streaming.channels[topic] = names
        return reply({"topic": topic, "objects": sorted(names)}, 201)

    async def cut_streams(self, request: Request) -> Response:
        """
        End the streams of a `topic`, or every one.

        `status` is the name of a gRPC status (UNAVAILABLE), OK for a good end; `code` is what the trailers
        say, without its prefix.
        """
        data = await body_of(request)
        status = str(data.get("status", "UNAVAILABLE"))
        if status not in grpc.StatusCode.__members__:
            raise ValueError(f"The status is one of {', '.join(grpc.StatusCode.__members__)}")
        code = str(data.get("code", "service.unavailable")).removeprefix(PREFIX)
        refusal = Unserved(code, "The sandbox was told to cut.", grpc.StatusCode[status])
        cut = Cut(None if status == "OK" else refusal)
        return reply({"cut": self.service.cut(str(data.get("topic", "")), cut)})

    async def expire(self, request: Request) -> Response:
        """Forget every event and every replay id that was given so far."""
        return reply({"expired": self.org.log.expire()})

    async def tell_change(self, request: Request) -> Response:
        """
        Put a change event on the bus that stands for no save: object, kind, ids.

        `kind` is one of the change types, GAP_UPDATE if left out; GAP_OVERFLOW has no ids. The id `*` stands
        for every record of the object, as after the type of a field was changed.
        """
        data = await body_of(request)
        thing = self.org.table(str(data.get("object", ""))).whole.object
        kind = str(data.get("kind", "GAP_UPDATE"))
        if kind not in KINDS:
            raise ValueError(f"The kind of a change is one of {', '.join(KINDS)}")
        given = [str(each) for each in data.get("ids", ())]
        ids = [f"{thing.prefix}*" if each == "*" else each for each in given]
        if not ids and kind != "GAP_OVERFLOW":
            raise ValueError("A change is of at least one id")
        capture = self.org.capture
        transaction = capture.transaction(origin="", user_id=self.org.door.automation.id)
        capture.tell(Change(thing, kind, ids, NOTHING, NOTHING, transaction, 1))
        return reply({"object": thing.name, "kind": kind, "ids": ids}, 201)

    async def repeat(self, request: Request) -> Response:
        """Deliver the last events of a `topic` again, `count` of them (1): the same ids, new replay ids."""
        data = await body_of(request)
        count = max(0, int(data.get("count", 1)))
        return reply({"repeated": self.org.log.repeat(str(data["topic"]), count)})

    async def change_record(self, request: Request) -> Response:
        """
        Change a record as a person does in the browser: act, object, id, values, username, origin.

        `act` is create, update, delete, undelete or purge, which takes a deleted one out of the recycle bin;
        or merge, which merges the records `losers` into the one with the id. `origin` is what change events
        then have as theirs.
        """
        data, org = await body_of(request), self.org
        table = org.table(str(data.get("object", "")))
        user = org.door.user(str(data.get("username", PERSON)))
        org.seat_user(user.id, user.username, active=user.active)
        flight = org.history.take_off()
        flight.origin = str(data.get("origin", IN_BROWSER))
        saving = Saving(org, flight, user.id)
        id18 = _act(saving, table, data)
        saving.settle()
        flight.answered = flight.arrived
        return reply({"id": id18, "user_id": user.id}, 201)


def _act(saving: Saving, table: Table, data: dict[str, Any]) -> str:
    """
    Do what is asked for and return the id of the record.

    :raises ValueError: if there is no such act
    """
    act, values = str(data.get("act", "update")), dict(data.get("values", {}))
    if act == "create":
        return saving.create(table, values).id
    record = saving.record(table, data.get("id"))
    if act == "update":
        saving.update(table, record, values)
    elif act == "delete":
        saving.delete(table, record)
    elif act == "undelete":
        saving.undelete(table, record)
    elif act == "merge":
        merge(saving, table, record, [saving.record(table, one) for one in data["losers"]], values)
    elif act == "purge" and record.deleted:
        table.purge(record)
    else:
        raise ValueError(
            "The act is one of create, update, delete, undelete, merge; purge of what is deleted"
        )
    return record.id
