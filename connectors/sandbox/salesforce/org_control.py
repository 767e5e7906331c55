"""This module serves the control endpoints that only the simulated org has."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from starlette.responses import Response
from starlette.routing import Route

from connectors.sandbox.control import body_of, refusal
from connectors.sandbox.salesforce.answers import Refused, as_json
from connectors.sandbox.salesforce.ids import new_id
from connectors.sandbox.salesforce.record_resources import shown

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from starlette.requests import Request

    from connectors.sandbox.salesforce.answers import Answer
    from connectors.sandbox.salesforce.org import Org

    Endpoint = Callable[[Request], Awaitable[Response]]

MOST_RECORDS = 100_000
TUPLES = frozenset({"choices", "refers_to"})


class OrgControl:
    """The hand that sets the org up, makes it difficult, and looks into it."""

    def __init__(self, org: Org) -> None:
        self.org = org

    def routes(self) -> list[Route]:
        """Return the routes; they stand beside those that every service has."""
        return routes_of(
            (
                ("app", "POST", self.register_app),
                ("sessions", "POST", self.open_session),
                ("sessions", "DELETE", self.expire_sessions),
                ("org", "POST", self.change_org),
                ("org", "GET", self.show_org),
                ("limits", "POST", self.set_limits),
                ("rules", "POST", self.add_rule),
                ("rules", "GET", self.list_obstacles),
                ("rules", "DELETE", self.clear_obstacles),
                ("locks", "POST", self.add_lock),
                ("locks", "GET", self.list_obstacles),
                ("locks", "DELETE", self.clear_obstacles),
                ("poisons", "POST", self.add_poison),
                ("fields", "POST", self.change_field),
                ("record-types", "POST", self.change_record_type),
                ("records", "GET", self.list_records),
                ("writes", "GET", self.list_writes),
            )
        )

    async def register_app(self, request: Request) -> Response:
        """Register an app, or replace its key: consumer_key, public_key_pem, username, flags."""
        app = self.org.door.register(await body_of(request))
        user = self.org.door.user(app.username)
        self.org.seat_user(user.id, user.username, active=user.active)
        return reply({"consumer_key": app.consumer_key, "user_id": user.id, "org_id": self.org.id}, 201)

    async def open_session(self, request: Request) -> Response:
        """
        Open a session without a login, for a `username`; or change how long sessions live (`lifetime`).

        An `admin` sees everything and may deploy metadata, which an integration user may not.
        """
        data = await body_of(request)
        door = self.org.door
        if "lifetime" in data:
            door.lifetime = float(data["lifetime"])
        if "logins_an_hour" in data:
            door.logins_an_hour = int(data["logins_an_hour"])
        if "username" not in data:
            return reply({"lifetime": door.lifetime, "logins_an_hour": door.logins_an_hour})
        user = door.user(str(data["username"]))
        user.admin = bool(data.get("admin", user.admin))
        self.org.seat_user(user.id, user.username, active=user.active)
        token = door.open_session(self.org.id, user, now=self.org.time())
        return reply({"access_token": token, "user_id": user.id}, 201)

    async def expire_sessions(self, request: Request) -> Response:
        """Expire every session."""
        expired = self.org.door.close_sessions()
        self.org.log.wake()
        return reply({"expired": expired})

    async def change_org(self, request: Request) -> Response:
        """Change the org's `org_id` or `org_number`, `my_domain`, `instance_url`, `name`, clock `skew`."""
        data, org = await body_of(request), self.org
        if "org_number" in data:
            org.id = new_id("00D", int(data["org_number"]))
        org.id = str(data.get("org_id", org.id))
        org.base_url = str(data.get("my_domain", org.base_url)).rstrip("/")
        org.instance_url = str(data.get("instance_url", org.instance_url)).rstrip("/")
        org.name = str(data.get("name", org.name))
        org.skew = float(data.get("skew", org.skew))
        org.seat_organization()
        return await self.show_org(request)

    async def show_org(self, request: Request) -> Response:
        """Show who the org is."""
        org = self.org
        told = {"org_id": org.id, "my_domain": org.base_url, "instance_url": org.instance_url}
        return reply({**told, "name": org.name, "skew": org.skew})

    async def set_limits(self, request: Request) -> Response:
        """Set the `daily` limit of API calls and how many are `used`."""
        data, limits = await body_of(request), self.org.limits
        limits.daily = int(data.get("daily", limits.daily))
        limits.used = int(data.get("used", limits.used))
        return reply({"daily": limits.daily, "used": limits.used, "refusals": limits.refusals})

    async def add_rule(self, request: Request) -> Response:
        """Add a validation rule: object, field, operator, value, message, and another `code` if wanted."""
        data = await body_of(request)
        shape = self.org.table(str(data.get("object", ""))).shape
        return reply(self.org.obstacles.add_rule(data, shape).as_json(), 201)

    async def add_lock(self, request: Request) -> Response:
        """Hold rows locked: object, external_id, probability, seed, nth, times."""
        return reply(self.org.obstacles.add_lock(await body_of(request)).as_json(), 201)

    async def add_poison(self, request: Request) -> Response:
        """Refuse every call in whose body a `text` stands: code, message, status, times."""
        return reply(self.org.obstacles.add_poison(await body_of(request)).as_json(), 201)

    async def list_obstacles(self, request: Request) -> Response:
        """List rules, locks and poisons, and every record that they stopped."""
        obstacles = self.org.obstacles
        return reply(
            {
                "rules": [rule.as_json() for rule in obstacles.rules],
                "locks": [lock.as_json() for lock in obstacles.locks],
                "poisons": [poison.as_json() for poison in obstacles.poisons],
                "fired": list(obstacles.fired),
            }
        )

    async def clear_obstacles(self, request: Request) -> Response:
        """Remove every rule, lock and poison."""
        self.org.obstacles.clear()
        return await self.list_obstacles(request)

    async def change_field(self, request: Request) -> Response:
        """Change the schema: object, field, and `remove` or qualities such as length, choices, a new name."""
        data = await body_of(request)
        change = {name: tuple(v) if name in TUPLES else v for name, v in data.items()}
        object_, field = str(change.pop("object", "")), str(change.pop("field", ""))
        changed = self.org.change_field(object_, field, **change)
        return reply({"object": object_, "field": field, "removed": changed is None})

    async def change_record_type(self, request: Request) -> Response:
        """
        Add a record type, or change one: object, record_type (its name), label, active, available, default.

        `picklists` are the values of fields that its records take: `{"Status__c": ["Pending"]}`.
        """
        data = await body_of(request)
        object_, name = str(data.pop("object", "")), str(data.pop("record_type"))
        if "picklists" in data:
            data["picklists"] = {field: tuple(values) for field, values in data["picklists"].items()}
        made = self.org.set_record_type(object_, name, **data)
        return reply({"object": object_, "name": made.name, "id": made.id}, 201)

    async def list_records(self, request: Request) -> Response:
        """Show the records of an `object` or an `external_id`; count doubles of the field `by`."""
        query = request.query_params
        table = self.org.table(query.get("object", ""))
        by = table.shape.field(query.get("by", "External_ID__c")).name if "by" in query else "External_ID__c"
        wanted = query.get("external_id")
        include_deleted = query.get("deleted") == "true"
        candidates = table.records.values() if include_deleted else table.alive()
        found = [r for r in candidates if wanted is None or r.values.get(by) == wanted]
        held = Counter(record.values[by] for record in found if record.values.get(by) is not None)
        limit = int(query.get("limit", MOST_RECORDS))
        return reply(
            {
                "count": len(found),
                "duplicates": {value: count for value, count in held.items() if count > 1},
                "records": [shown(table, record, "67.0") for record in found[:limit]],
            }
        )

    async def list_writes(self, request: Request) -> Response:
        """Show the writes of an `object`, `external_id` or `id` after number `since`, and overlaps."""
        query, history = request.query_params, self.org.history
        writes = history.writes(
            object_=query.get("object", ""),
            external_id=query.get("external_id", ""),
            id18=query.get("id", ""),
            since=int(query.get("since", 0)),
        )
        return reply(
            {
                "counts": history.counts(),
                "overlapped": history.overlapped,
                "overlaps": history.overlaps(),
                "writes": [write.as_json() for write in writes[: int(query.get("limit", MOST_RECORDS))]],
            }
        )


def routes_of(table: Iterable[tuple[str, str, Endpoint]]) -> list[Route]:
    """Return the routes of control endpoints: name, method, and who answers."""
    return [
        Route(f"/_sandbox/{name}", guarded(endpoint), methods=[method]) for name, method, endpoint in table
    ]


def guarded(endpoint: Endpoint) -> Endpoint:
    """Return the endpoint with its errors told as a 400 instead of a crash."""

    async def guarded(request: Request) -> Response:
        try:
            return await endpoint(request)
        except KeyError as missing:
            return refusal(f"{missing.args[0]} is missing")
        except (Refused, ValueError, TypeError) as reason:
            return refusal(str(reason))

    return guarded


def reply(payload: object, status: int = 200) -> Response:
    """Return a payload as the JSON answer of a control endpoint."""
    answer: Answer = as_json(payload, status)
    return Response(answer.body, answer.status, answer.headers)
