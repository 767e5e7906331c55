"""This module holds the settings of a step that keeps two sides in agreement, and the fields it compares."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from flows.agreeing.merging import Line, Policy
from flows.mapping.spec import Mapping as MappingSettings
from flows.mapping.widgets import shown
from integrator.kernel.paths import Segment, parse, quote

_OWN_ROOTS = frozenset({"event", "previous", "steps", "error"})
POLICIES = {
    "ask": "Ask a person",
    "newest": "The newest change wins",
    "salesforce": "Salesforce wins",
    "stripe": "Stripe wins",
}


class FieldPolicy(BaseModel):
    """What happens where both sides changed one field."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    field: str = Field(
        json_schema_extra=shown("Field"),
        min_length=1,
        max_length=160,
        description="The field as this step names it: a field of Salesforce, or a parameter of Stripe.",
    )
    policy: Policy = Field(
        json_schema_extra=shown("Where both sides changed it", words=POLICIES),
        description="Who wins, or that a person is asked.",
    )


class TwoWay(BaseModel):
    """
    What happens where both sides change the same record.

    A field that only one side has changed since both agreed is carried over. One that both have changed to
    the same is in agreement. Where they differ, the policy decides.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    policy: Policy = Field(
        json_schema_extra=shown("Where both sides changed a field", words=POLICIES),
        default="ask",
        description="Who wins where both sides have changed a field and differ, or that a person is asked.",
    )
    fields: Sequence[FieldPolicy] = Field(
        json_schema_extra=shown("Other rules for single fields", add="Add a field"),
        default=[],
        max_length=100,
        description="Fields for which it is another rule.",
    )
    skew_seconds: int = Field(
        json_schema_extra=shown("Changes are simultaneous within (seconds)", more=True),
        default=120,
        ge=1,
        le=3600,
        description="Changes that are no further apart than this have no newest: a person is asked. Stripe "
        "tells whole seconds, and no two clocks agree.",
    )
    most_writes: int = Field(
        json_schema_extra=shown("Hold after so many writes back and forth", more=True),
        default=6,
        ge=3,
        le=30,
        description="When a field has been written so often with values that come back, the link is held and "
        "a person is asked.",
    )
    within_minutes: int = Field(
        json_schema_extra=shown("Within (minutes)", more=True),
        default=10,
        ge=1,
        le=1440,
        description="The time in which those writes are counted.",
    )
    deleted: Literal["ask", "ignore"] = Field(
        json_schema_extra=shown(
            "Where the record was deleted",
            more=True,
            words={"ask": "Ask a person", "ignore": "Write nothing any more"},
        ),
        default="ask",
        description="What happens where the linked record was deleted in Salesforce: a person is asked "
        "whether it is to be made again, or nothing is written any more.",
    )

    @field_validator("fields")
    @classmethod
    def _names_each_field_once(cls, fields: Sequence[FieldPolicy]) -> Sequence[FieldPolicy]:
        names = [one.field for one in fields]
        if len(names) != len(set(names)):
            raise ValueError("A field has two rules")
        return fields

    @property
    def skew(self) -> timedelta:
        """Return how far apart two changes must be for one of them to be newer."""
        return timedelta(seconds=self.skew_seconds)

    @property
    def within(self) -> timedelta:
        """Return the time in which writes back and forth are counted."""
        return timedelta(minutes=self.within_minutes)

    def policy_of(self, field: str) -> Policy:
        """Return what happens where both sides changed `field`."""
        return next((one.policy for one in self.fields if one.field == field), self.policy)


class RecordFieldPolicy(FieldPolicy):
    """What happens where both sides changed one field of a record."""

    field: str = Field(
        json_schema_extra=shown("Field", offers="fields", of="/object"),
        min_length=1,
        max_length=160,
        description="The field of Salesforce, as the map step names it.",
    )


class ParameterPolicy(FieldPolicy):
    """What happens where both sides changed one parameter of an object."""

    field: str = Field(
        json_schema_extra=shown("Parameter", offers="stripe_changes", of="/object"),
        min_length=1,
        max_length=160,
        description="The parameter of Stripe, as the step names it.",
    )


_RULES = shown("Other rules for single fields", add="Add a field")
_RULES_ARE = "Fields for which it is another rule."


class RecordTwoWay(TwoWay):
    """What happens where both sides change the same record in Salesforce."""

    fields: Sequence[RecordFieldPolicy] = Field(
        json_schema_extra=_RULES, default=[], max_length=100, description=_RULES_ARE
    )


class ObjectTwoWay(TwoWay):
    """What happens where both sides change the same object in Stripe."""

    fields: Sequence[ParameterPolicy] = Field(
        json_schema_extra=_RULES, default=[], max_length=100, description=_RULES_ARE
    )


def two_way_field(default: Any = None) -> Any:
    """Return the setting of a writing step under which it keeps both sides in agreement."""
    return Field(
        json_schema_extra=shown("Both sides may change it", more=True, add="Keep both sides in agreement"),
        default=default,
        description="For records that people change on both sides. Without it, what the flow gives is "
        "written, whatever stands there.",
    )


def lines_of_record(object_: str, mapping: MappingSettings | None, *, key: str) -> dict[str, Line]:
    """Return the lines of a map step's record, by field, but for the field it is found by."""
    found: dict[str, Line] = {}
    for line in mapping.lines if mapping is not None else ():
        if line.field != key:
            path = f"{object_}.{line.field}"
            found[line.field] = Line(path, tuple(_readable(line.reads())), path)
    return found


def lines_of_parameters(object_: str, reads: Mapping[str, Iterable[str]]) -> dict[str, Line]:
    """Return the lines of a change in Stripe, by parameter, from the paths that each reads."""
    found: dict[str, Line] = {}
    for name, paths in reads.items():
        key = canonical(f"{object_}.{name}")
        ways = tuple(_readable(paths))
        about = next((path for path in ways if path[:1].isupper()), key)
        found[name] = Line(key, ways, about)
    return found


def _readable(paths: Iterable[str]) -> list[str]:
    """Return those of `paths` that are read of what started the flow, each once."""
    known = (canonical(path) for path in paths if parse(path)[0] not in _OWN_ROOTS)
    return list(dict.fromkeys(known))


def canonical(path: str) -> str:
    """Return `path` as both directions write it: `customer["name"]` is `customer.name`."""
    root, *rest = parse(path)
    return str(root) + "".join(_step(segment) for segment in rest)


def _step(segment: Segment) -> str:
    return f"[{segment}]" if isinstance(segment, int) else quote(segment)


def unwritten(settings: TwoWay | None, fields: Iterable[str]) -> list[tuple[str, str]]:
    """Return what is wrong with rules for fields that the step does not write; it writes `fields`."""
    known = set(fields)
    rules = settings.fields if settings is not None else ()
    return [
        ("two_way", f"There is a rule for {rule.field}, which the step does not write")
        for rule in rules
        if rule.field not in known
    ]
