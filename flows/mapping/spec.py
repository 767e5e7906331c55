"""This module says what a mapping looks like in a flow document."""

from __future__ import annotations

from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from flows.mapping import transforms
from flows.mapping.chip import Chip
from flows.mapping.reading import Paths
from flows.mapping.widgets import shown

if TYPE_CHECKING:
    AnyChip = Chip
else:  # the union is only known once installed packages have been asked
    AnyChip = Annotated[reduce(or_, transforms.load().values()), Field(discriminator="chip")]

# An API name: https://developer.salesforce.com/docs/atlas.en-us.api.meta/api/field_types.htm
API_NAME = r"^[A-Za-z][A-Za-z0-9_]{0,79}$"
# A field, or a look-up by the external id of its record, such as `Stripe_Customer__r.External_ID__c`.
FIELD = r"^[A-Za-z][A-Za-z0-9_]{0,79}(\.[A-Za-z][A-Za-z0-9_]{0,79})?$"


class MappingLine(BaseModel):
    """One field of the target, where its value comes from and how it is changed."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    field: str = Field(
        json_schema_extra=shown("Field", offers="fields", of="target|object"),
        pattern=FIELD,
        description="API name of the field in Salesforce. For a look-up by external id: the relation, a dot "
        "and the external id field.",
    )
    sources: Paths = Field(
        json_schema_extra=shown("Read from", offers="paths", of="read", add="Add a fallback"),
        default=[],
        alias="from",
        description="Paths of which the first that has a value is used.",
    )
    chips: list[AnyChip] = Field(
        json_schema_extra=shown("Changes", more=True, add="Add a change"),
        default=[],
        max_length=20,
        description="Changes to the value, in order.",
    )
    empty: Literal["skip", "clear", "fail"] = Field(
        json_schema_extra=shown(
            "Without a value",
            more=True,
            words={
                "skip": "Leave the field as it is",
                "clear": "Empty the field",
                "fail": "Refuse the record",
            },
        ),
        default="skip",
        description="What happens without a value: leave the field as it is, empty it (where the event says "
        "that there is none), or refuse the record.",
    )

    @model_validator(mode="after")
    def _has_a_source(self) -> MappingLine:
        if not self.sources and not any(chip.takes_empty for chip in self.chips):
            raise ValueError("The line needs a path, or a chip that brings a value")
        return self

    def value_paths(self) -> list[str]:
        """Return every path that the value may come from."""
        return [*self.sources, *(path for chip in self.chips for path in chip.sources())]

    def reads(self) -> list[str]:
        """Return every path that the line looks at."""
        return [*self.sources, *(path for chip in self.chips for path in chip.reads())]


class Mapping(BaseModel):
    """Which record comes out, and what stands in each of its fields."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    target: str = Field(
        json_schema_extra=shown("Salesforce object", offers="objects"),
        pattern=API_NAME,
        description="API name of the object in Salesforce.",
    )
    lines: list[MappingLine] = Field(
        json_schema_extra=shown("Fields"), min_length=1, max_length=500, description="The fields."
    )

    @model_validator(mode="after")
    def _maps_each_field_once(self) -> Mapping:
        seen: set[str] = set()
        for line in self.lines:
            field = written_field(line.field).lower()  # Salesforce does not tell names apart by case
            if field in seen:
                raise ValueError(f"{line.field} is mapped twice")
            seen.add(field)
        return self


def written_field(name: str) -> str:
    """
    Return the field that a mapping line fills: of `Customer__r.Key__c` it is `Customer__c`.

    How relations are named:
    https://developer.salesforce.com/docs/atlas.en-us.soql_sosl.meta/soql_sosl/sforce_api_calls_soql_relationships_understand.htm
    """
    relation, dot, _ = name.partition(".")
    if not dot:
        return name
    return f"{relation[:-1]}c" if relation.lower().endswith("__r") else f"{relation}Id"
