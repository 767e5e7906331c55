"""This module reads what the inbox holds of an org's event bus: what happened, and to which records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from connectors.salesforce.client import CLIENT_NAME

DELETED = "deleted"
_UPDATED = "updated"


@dataclass(frozen=True, slots=True)
class BusEvent:
    """
    One event, as `flows.heard` has kept it.

    `values` are those that are to be believed, by the names of the API: a field that is absent is unchanged.
    Of a change of several records they are what all of them have in common.
    """

    type: str
    name: str  # of the object, or of the platform event
    record_ids: tuple[str, ...]
    changed: tuple[str, ...]
    values: Mapping[str, Any]
    partial: bool  # it does not tell all that changed
    is_ours: bool = False  # it tells of what we wrote, with whatever the org did in the same transaction

    @classmethod
    def of(cls, payload: Mapping[str, Any]) -> Self:
        """Return the event in the body of an inbox row."""
        data = payload.get("data")
        values = data.get("object") if isinstance(data, dict) else None
        kind = str(payload.get("type") or "")
        return cls(
            type=kind,
            name=str(payload.get("entity") or kind.partition(".")[0]),
            record_ids=_names(payload.get("record_ids")),
            # Whether what was emptied stands among what changed is not said anywhere.
            changed=tuple(dict.fromkeys((*_names(payload.get("changed")), *_names(payload.get("nulled"))))),
            values=values if isinstance(values, dict) else {},
            partial=bool(payload.get("reread")),
            is_ours=_is_ours(payload.get("header")),
        )

    @property
    def verb(self) -> str:
        """Return what happened to the records, such as updated; empty of a platform event."""
        return self.type.partition(".")[2]

    @property
    def is_of_records(self) -> bool:
        """Tell whether it says that records changed, named or not."""
        return bool(self.verb)

    @property
    def is_deletion(self) -> bool:
        """Tell whether its records are gone."""
        return self.verb == DELETED

    def touches(self, fields: frozenset[str]) -> bool:
        """
        Tell whether one of `fields`, given in lower case, has changed, as far as the event says.

        Only an update names what changed, and not where it is partial; anything else touches every field.
        """
        if not fields or self.partial or self.verb != _UPDATED:
            return True
        return any(name.lower() in fields for name in self.changed)

    def left_of(self, record_id: str) -> dict[str, Any]:
        """Return what the event says of a record that is gone."""
        common = {name: value for name, value in self.values.items() if name != "Id"}
        return {"Id": record_id, **common}


def _is_ours(header: Any) -> bool:
    """
    Tell whether the transaction was a call of ours, which bears our name.

    https://developer.salesforce.com/docs/atlas.en-us.change_data_capture.meta/change_data_capture/cdc_event_fields_header.htm
    """
    origin = header.get("changeOrigin") if isinstance(header, dict) else None
    return isinstance(origin, str) and f"client={CLIENT_NAME}" in origin.split(";")


def _names(value: Any) -> tuple[str, ...]:
    return tuple(one for one in value if isinstance(one, str)) if isinstance(value, list) else ()
