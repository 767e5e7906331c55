"""This module is one authenticated call to the REST API, as its handlers see it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec

from connectors.sandbox.salesforce.answers import nothing_there, refused
from connectors.sandbox.salesforce.duplicates import wishes_in
from connectors.sandbox.salesforce.saving import Saving

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from connectors.sandbox.salesforce.answers import Answer
    from connectors.sandbox.salesforce.fields import SObject
    from connectors.sandbox.salesforce.history import Flight
    from connectors.sandbox.salesforce.oauth import User
    from connectors.sandbox.salesforce.org import Org
    from connectors.sandbox.salesforce.tables import Table

DECODER = msgspec.json.Decoder(float_hook=Decimal)


@dataclass(slots=True)
class Call:
    """What a handler gets: the org, who calls, and what they ask."""

    org: Org
    flight: Flight
    user: User
    method: str
    segments: Sequence[str]  # the decoded parts of the path after the version
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    version: str
    dispatch: Callable[[Call], Answer]  # answers a call within this one
    transaction: Saving | None = None  # the larger one that this call is a part of

    @property
    def tables(self) -> Mapping[str, Table]:
        """Return the tables as the caller sees them."""
        return self.org.security.seen_by(self.user, self.org.tables)

    @property
    def objects(self) -> dict[str, SObject]:
        """Return the objects as the caller sees them."""
        return {name: table.shape.object for name, table in self.tables.items()}

    def table(self, name: str) -> Table:
        """
        Return the table of an object as the caller sees it, whatever the case of its name.

        :raises Refused: if there is no such object, or the caller may not see it
        """
        seen = self.tables.get(self.org.table(name).shape.object.name)
        if seen is None:
            raise nothing_there()
        return seen

    def saving(self) -> Saving:
        """Return the saves of this call."""
        wishes = wishes_in(self.headers.get("sforce-duplicate-rule-header", ""))
        return Saving(self.org, self.flight, self.user.id, outer=self.transaction, wishes=wishes)

    def json(self) -> dict[str, Any]:
        """
        Return the JSON object in the body, numbers exact.

        :raises Refused: if there is none
        """
        content_type = self.headers.get("content-type", "")
        if not content_type.startswith("application/json"):
            raise refused("UNSUPPORTED_MEDIA_TYPE", f"Content-Type '{content_type}' is not supported")
        try:
            data = DECODER.decode(self.body)
        except (msgspec.DecodeError, ValueError, RecursionError) as reason:
            raise refused("JSON_PARSER_ERROR", f"{reason} at [line:1, column:1]") from reason
        if not isinstance(data, dict):
            raise refused(
                "JSON_PARSER_ERROR", "Unexpected input, an object is expected at [line:1, column:1]"
            )
        return data

    def allow(self, *methods: str) -> None:
        """
        Let the call pass if its method is one of these.

        :raises Refused: if not
        """
        if self.method not in methods:
            allowed = ",".join(methods)
            message = f"HTTP Method '{self.method}' not allowed. Allowed are {allowed}"
            raise refused("METHOD_NOT_ALLOWED", message)


def truth(text: object) -> bool:
    """Return a flag of a query string or a body."""
    return text is True or str(text).lower() == "true"
