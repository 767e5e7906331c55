"""
This module keeps the schemas by which events are read.

A schema never changes under its id; a new field brings a new id. So what is kept is right for ever, and grows
only when administrators change objects.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

import msgspec
from fastavro import parse_schema, schemaless_reader

from connectors.salesforce.pubsub.layout import Layout, Malformed, layout_of

LARGEST = 4 << 20  # bytes; the event of an object with 800 fields takes about 200,000
MOST_KEPT = 500


class Unreadable(ValueError):
    """The event says nothing that we understand. The message says why, and holds nothing of its content."""


@dataclass(frozen=True, slots=True)
class Schema:
    """One schema: what Avro made of it, and where its fields stand."""

    id: str
    layout: Layout
    parsed: Any = field(repr=False)

    def read(self, payload: bytes) -> dict[str, Any]:
        """
        Return the values of an event by field.

        :raises Unreadable: if `payload` was not written by this schema
        """
        source = BytesIO(payload)
        try:
            values = schemaless_reader(source, self.parsed, None)
        except Exception as failure:  # whatever Avro stumbles over in bytes that are not ours
            raise Unreadable(f"The event does not fit its schema ({type(failure).__name__}).") from None
        if source.tell() != len(payload) or not isinstance(values, dict):
            raise Unreadable("The event does not fit its schema (something is left over).")
        return values


def schema_of(id: str, text: str) -> Schema:
    """
    Return the schema that `text`, Avro's JSON, describes.

    :raises Unreadable: if it describes no event
    """
    if len(text) > LARGEST:
        raise Unreadable("The schema of the event is larger than any that we know.")
    try:
        described = msgspec.json.decode(text)
        layout = layout_of(described)
        parsed = parse_schema(described)
    except Malformed as failure:
        raise Unreadable(f"{failure}.") from None
    except Exception as failure:  # whatever Avro stumbles over
        raise Unreadable(f"The schema of the event cannot be read ({type(failure).__name__}).") from None
    return Schema(id, layout, parsed)


class Schemas:
    """The schemas that are known, by id. Streams of one connection share them."""

    def __init__(self, ask: Callable[[str], str]) -> None:
        """`ask` returns the text of a schema that is not known yet."""
        self._ask = ask
        self._known: dict[str, Schema] = {}
        self._lock = threading.Lock()

    def get(self, id: str) -> Schema:
        """
        Return the schema of that id, which is asked for once.

        :raises Unreadable: if it describes no event
        :raises IntegrationError: if it cannot be asked for
        """
        known = self._known.get(id)
        if known is not None:
            return known
        schema = schema_of(id, self._ask(id))
        with self._lock:
            if len(self._known) >= MOST_KEPT:
                self._known.pop(next(iter(self._known)))
            self._known[id] = schema
        return schema
