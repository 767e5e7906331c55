"""This module serves the control endpoints about the org's Flows, events, duplicate rules and rights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connectors.sandbox.control import body_of
from connectors.sandbox.salesforce.flows import Flow, Variable
from connectors.sandbox.salesforce.org_control import reply, routes_of

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    from connectors.sandbox.salesforce.org import Org


class EffectControl:
    """The hand that arranges what happens in the org after a call, and counts it."""

    def __init__(self, org: Org) -> None:
        self.org = org

    def routes(self) -> list[Route]:
        """Return the routes; they stand beside those that every service has."""
        return routes_of(
            (
                ("flows", "POST", self.change_flow),
                ("flows", "GET", self.list_interviews),
                ("events", "GET", self.list_events),
                ("duplicate-rules", "POST", self.add_duplicate_rule),
                ("duplicate-rules", "GET", self.list_duplicate_rules),
                ("duplicate-rules", "DELETE", self.clear_duplicate_rules),
                ("permissions", "POST", self.change_permissions),
                ("permissions", "GET", self.list_permissions),
                ("bare", "POST", self.make_bare),
            )
        )

    async def change_flow(self, request: Request) -> Response:
        """
        Register an autolaunched Flow, or change one: flow (its name), inputs, outputs, active, fails.

        `inputs` are names, `outputs` values that every interview returns, `fails` is the message with which
        every interview ends.
        """
        data, flows = await body_of(request), self.org.flows
        flow = flows.known.get(data["flow"]) or Flow(str(data["flow"]))
        if "inputs" in data:
            flow.variables = tuple(Variable(str(name)) for name in data["inputs"])
        flow.outputs = dict(data.get("outputs", flow.outputs))
        flow.active = bool(data.get("active", flow.active))
        flow.fails = str(data.get("fails", flow.fails))
        flows.add(flow)
        self.org.seat_setup()
        return reply({"flow": flow.name, "active": flow.active, "fails": flow.fails}, 201)

    async def list_interviews(self, request: Request) -> Response:
        """Show the interviews of a `flow` after number `since`, and how many each Flow held."""
        query, flows = request.query_params, self.org.flows
        runs = flows.runs(flow=query.get("flow", ""), since=int(query.get("since", 0)))
        known = [{"name": flow.name, "active": flow.active} for flow in flows.known.values()]
        return reply({"flows": known, "counts": flows.counts(), "runs": runs})

    async def list_events(self, request: Request) -> Response:
        """Show the platform events of a kind, `event`, after replay id `since`, and how many there were."""
        query, bus = request.query_params, self.org.bus
        events = bus.events(event=query.get("event", ""), since=int(query.get("since", 0)))
        return reply({"counts": bus.counts(), "events": events})

    async def add_duplicate_rule(self, request: Request) -> Response:
        """Add a duplicate rule: object, fields, action (block, alert), matches (an object), rule, told."""
        rule = self.org.duplicates.add(await body_of(request), self.org.tables)
        self.org.seat_setup()
        return reply(rule.as_json(), 201)

    async def list_duplicate_rules(self, request: Request) -> Response:
        """List the duplicate rules, and how often each fired."""
        return reply({"rules": [rule.as_json() for rule in self.org.duplicates.rules]})

    async def clear_duplicate_rules(self, request: Request) -> Response:
        """Remove every duplicate rule."""
        self.org.duplicates.rules.clear()
        self.org.seat_setup()
        return await self.list_duplicate_rules(request)

    async def change_permissions(self, request: Request) -> Response:
        """
        Change what a `username` may see, or everybody without one.

        `assign` or `unassign` names a permission set; object, field and `level` (hidden, readonly, full)
        restrict one field, whatever the permission sets give. `RecordType.<name>` stands for a record type.
        """
        data, security = await body_of(request), self.org.security
        username = str(data.get("username", ""))
        if "assign" in data:
            security.assign(username, str(data["assign"]))
        if "unassign" in data:
            security.unassign(username, str(data["unassign"]))
        if "level" in data:
            shape, named = self.org.table(str(data["object"])).whole, str(data["field"])
            rights = {each.right for each in shape.object.record_types}
            name = named if named in rights else shape.field(named).name
            security.restrict(username, shape.object.name, name, str(data["level"]))
        # The date of a describe covers permissions too:
        # https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_describeGlobal.htm
        self.org.note_schema()
        self.org.seat_setup()
        return await self.list_permissions(request)

    async def list_permissions(self, request: Request) -> Response:
        """List the permission sets and who has them."""
        security = self.org.security
        assigned = {username: sorted(names) for username, names in security.assigned.items() if names}
        return reply({"sets": sorted(security.sets), "assigned": assigned})

    async def make_bare(self, request: Request) -> Response:
        """Make the org anew, without anything of the integration's; `reset` makes it what it was at first."""
        self.org.reset(bare=True)
        return reply({"bare": True})
