"""This module holds what an administrator says of selling: stages of opportunities and statuses of orders."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from connectors.sandbox.salesforce.sales_objects import STAGES

if TYPE_CHECKING:
    from collections.abc import Iterator

    Row = dict[str, Any]

DRAFT, ACTIVATED = "Draft", "Activated"
CATEGORIES = ("Pipeline", "Closed", "Omitted")


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage of opportunities: what an opportunity in it is worth, and whether it is over and won."""

    name: str
    probability: int = 10  # percent
    category: str = "Pipeline"
    closed: bool = False
    won: bool = False
    active: bool = True


class SalesSetup:
    """The definitions that decide what a stage or a status means, whatever it is called."""

    def __init__(self) -> None:
        self.stages: dict[str, Stage] = {
            name: Stage(name, probability, category, closed=category != "Pipeline", won=category == "Closed")
            for name, (probability, category) in STAGES.items()
        }
        self.order_statuses: dict[str, str] = {DRAFT: DRAFT, ACTIVATED: ACTIVATED}
        self.currencies: dict[str, bool] = {}  # code -> active, the corporate one first; empty: there is one

    def stage(self, name: str | None) -> Stage:
        """Return the stage of that name; one that nobody has defined is an open one."""
        return self.stages.get(name or "") or Stage(name or "")

    def order_code(self, status: str | None) -> str:
        """Return whether an order of that status is a draft or activated."""
        return self.order_statuses.get(status or "", DRAFT)

    def define_stage(self, name: str, **change: Any) -> Stage:
        """
        Define a stage or change one; one that is won is closed as well.

        :raises ValueError: without a name, or for a probability or category that there is not
        :raises TypeError: if stages have no such quality
        """
        made = replace(self.stages.get(name, Stage(name)), **change)
        made = replace(made, closed=made.closed or made.won)
        if not name or not 0 <= int(made.probability) <= 100 or made.category not in CATEGORIES:
            raise ValueError(f"A stage has a name, 0 to 100 %, and a category: {', '.join(CATEGORIES)}")
        self.stages[name] = made
        return made

    def define_order_status(self, name: str, code: str) -> None:
        """
        Define a status of orders or change one.

        :raises ValueError: without a name, or for a code that there is not
        """
        if not name or code not in {DRAFT, ACTIVATED}:
            raise ValueError(f"A status has a name and a code, {DRAFT} or {ACTIVATED}")
        self.order_statuses[name] = code

    def stage_rows(self) -> Iterator[Row]:
        """Yield the rows of OpportunityStage."""
        for number, stage in enumerate(self.stages.values(), start=1):
            yield {
                "MasterLabel": stage.name,
                "ApiName": stage.name,
                "IsActive": stage.active,
                "SortOrder": number,
                "IsClosed": stage.closed,
                "IsWon": stage.won,
                "ForecastCategory": stage.category,
                "ForecastCategoryName": stage.category,
                "DefaultProbability": stage.probability,
            }

    def order_status_rows(self) -> Iterator[Row]:
        """Yield the rows of OrderStatus."""
        for number, (name, code) in enumerate(self.order_statuses.items(), start=1):
            row = {"MasterLabel": name, "ApiName": name, "SortOrder": number, "IsDefault": number == 1}
            yield {**row, "StatusCode": code}

    def currency_rows(self) -> Iterator[Row]:
        """Yield the rows of CurrencyType."""
        for number, (code, active) in enumerate(self.currencies.items()):
            yield {"IsoCode": code, "IsActive": active, "IsCorporate": number == 0}
