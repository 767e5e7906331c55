"""This module serves the control endpoints about stages of opportunities and statuses of orders."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from connectors.sandbox.control import body_of
from connectors.sandbox.salesforce.fields import Field
from connectors.sandbox.salesforce.org_control import reply, routes_of
from connectors.sandbox.salesforce.sales_attempt import CURRENCY

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    from connectors.sandbox.salesforce.org import Org

WITH_CURRENCY = ("Account", "Contract", "Opportunity", "Order", "PricebookEntry", "Product2")


def currency(codes: tuple[str, ...]) -> Field:
    """Return the field that records of an org with several currencies have; the first one is the default."""
    return Field(
        CURRENCY,
        "picklist",
        "Currency ISO Code",
        length=255,
        choices=codes,
        restricted=True,
        defaulted=True,
        default=codes[0],
    )


class SalesControl:
    """The hand that sets up how the org sells, as an administrator would."""

    def __init__(self, org: Org) -> None:
        self.org = org

    def routes(self) -> list[Route]:
        """Return the routes; they stand beside those that every service has."""
        return routes_of(
            (
                ("stages", "POST", self.define_stage),
                ("stages", "GET", self.list_stages),
                ("order-statuses", "POST", self.define_order_status),
                ("currencies", "POST", self.use_currencies),
            )
        )

    async def define_stage(self, request: Request) -> Response:
        """Define a stage by its name, or change one: probability, category, closed, won, active."""
        data = dict(await body_of(request))
        stage = self.org.sales.define_stage(str(data.pop("name", "")), **data)
        self._offer("Opportunity", "StageName", tuple(self.org.sales.stages))
        return reply(asdict(stage), 201)

    async def list_stages(self, request: Request) -> Response:
        """Show every stage."""
        return reply([asdict(stage) for stage in self.org.sales.stages.values()])

    async def define_order_status(self, request: Request) -> Response:
        """Define a status of orders by its name and its code, Draft or Activated."""
        data = await body_of(request)
        self.org.sales.define_order_status(str(data.get("name", "")), str(data.get("code", "")))
        self._offer("Order", "Status", tuple(self.org.sales.order_statuses))
        return reply(self.org.sales.order_statuses, 201)

    async def use_currencies(self, request: Request) -> Response:
        """
        Let the org sell in several currencies: the `corporate` one, which is the default, and `others`.

        Those that are `inactive` are known as well, but no record can have them.
        """
        data = await body_of(request)
        corporate = str(data["corporate"])
        codes = (corporate, *(str(code) for code in data.get("others", [])))
        if not all(len(code) == 3 and code.isupper() for code in codes):
            raise ValueError("A currency is told by its ISO code, such as EUR")
        for name in WITH_CURRENCY:
            self.org.add_field(name, currency(codes))
        inactive = [str(code) for code in data.get("inactive", [])]
        self.org.sales.currencies = {**dict.fromkeys(inactive, False), **dict.fromkeys(codes, True)}
        self.org.sales.currencies = {corporate: True, **self.org.sales.currencies}
        self.org.seat_setup()
        return reply({"currencies": list(codes)}, 201)

    def _offer(self, object_: str, field: str, choices: tuple[str, ...]) -> None:
        """Let describe and the setup's own objects tell what there is now."""
        self.org.change_field(object_, field, choices=choices)
        self.org.seat_setup()
