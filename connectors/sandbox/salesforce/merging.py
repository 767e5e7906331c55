"""This module merges records as people do: one stays, and what refers to the others refers to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from connectors.sandbox.salesforce.answers import refused

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from connectors.sandbox.salesforce.saving import Saving
    from connectors.sandbox.salesforce.tables import Record, Table

MOST = 2  # records that are merged into another one at once


def merge(
    saving: Saving, table: Table, master: Record, losers: Sequence[Record], values: Mapping[str, Any]
) -> None:
    """
    Merge `losers` into `master`, which has `values` then.

    The losers go to the recycle bin with the master's id as their `MasterRecordId`. That and the update of
    the master are all that is told: of what refers to the master from now on, nothing is.
    https://developer.salesforce.com/docs/atlas.en-us.api.meta/api/sforce_api_calls_merge.htm
    https://developer.salesforce.com/docs/atlas.en-us.apexcode.meta/apexcode/apex_triggers_merge_statements.htm

    :raises Refused: if records of the object are not merged, or not these, or not so
    """
    thing = table.shape.object
    gone = any(record.deleted for record in (master, *losers))
    if not thing.mergeable or gone or not 0 < len(losers) <= MOST or master in losers:
        raise refused("INVALID_OPERATION", f"These records of {thing.label} are not merged", dml=True)
    _refuse_keys_of_losers(table, losers, values)
    _refuse_circles(table, master, losers, values)
    for loser in losers:
        saving.bury(table, loser, master.id)
    saving.update(table, master, values)


def _refuse_keys_of_losers(table: Table, losers: Sequence[Record], values: Mapping[str, Any]) -> None:
    """Refuse a unique value that one of the losers has: it has it until all is over."""
    for field in table.whole.indexed:
        value = values.get(field.name) if field.unique else None
        holder = table.holder(field, value) if value is not None else None
        if holder is not None and holder in losers:
            message = f"duplicate value found: {field.name} duplicates value on record with id: "
            raise refused("DUPLICATE_VALUE", message + holder.id[:15], dml=True)


def _refuse_circles(
    table: Table, master: Record, losers: Sequence[Record], values: Mapping[str, Any]
) -> None:
    """Refuse to let the master be above itself, since one of the losers is above it."""
    gone = {loser.id for loser in losers}
    for field in table.whole.references:
        if table.shape.object.name not in field.refers_to or field.name == "MasterRecordId":
            continue
        if values.get(field.name, master.values.get(field.name)) in gone:
            raise refused("CIRCULAR_DEPENDENCY", f"{field.label} would be a circle", field.name, dml=True)
