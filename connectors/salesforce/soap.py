"""
This module writes and reads the XML of the one SOAP call that is needed: merging, for which REST has no word.

It is pure: a session and values go in, bytes come out, and the other way round. Sources:
https://developer.salesforce.com/docs/atlas.en-us.api.meta/api/sforce_api_calls_merge.htm and
.../sforce_api_concepts_core_data_objects.htm (faults)
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from xml.etree import ElementTree

from integrator.kernel import errors

ENVELOPE = "http://schemas.xmlsoap.org/soap/envelope/"
PARTNER = "urn:partner.soap.sforce.com"
OBJECTS = "urn:sobject.partner.soap.sforce.com"
LARGEST = 8 * 1024 * 1024  # bytes of an answer; the id of each record that moved has some sixty
UNWRITABLE = "UNWRITABLE_VALUE"

# What XML 1.0 has no place for, not even escaped: https://www.w3.org/TR/xml/#charsets
_IMPOSSIBLE = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Unreadable(Exception):
    """The bytes are no answer of the API: a page of a proxy, half a body, a document with entities."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """One thing that went wrong, as Salesforce words it."""

    code: str
    message: str
    fields: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Merged:
    """What became of one merge: what is wrong, or the ids of what is merged and of what moved with it."""

    id: str = ""
    success: bool = False
    merged: tuple[str, ...] = ()
    moved: tuple[str, ...] = ()
    troubles: tuple[Trouble, ...] = ()


def merge_call(
    *,
    session: str,
    client: str,
    object: str,
    master: str,
    losers: Sequence[str],
    values: Mapping[str, Any],
) -> bytes:
    """
    Return the call that merges `losers` into `master`, which has `values` then; None empties a field.

    :raises Refused: if a value has no place in XML, with the field's name
    """
    envelope = ElementTree.Element(f"{{{ENVELOPE}}}Envelope")
    header = ElementTree.SubElement(envelope, f"{{{ENVELOPE}}}Header")
    _text(ElementTree.SubElement(header, f"{{{PARTNER}}}SessionHeader"), PARTNER, "sessionId", session)
    _text(ElementTree.SubElement(header, f"{{{PARTNER}}}CallOptions"), PARTNER, "client", client)
    body = ElementTree.SubElement(envelope, f"{{{ENVELOPE}}}Body")
    call = ElementTree.SubElement(body, f"{{{PARTNER}}}merge")
    request = ElementTree.SubElement(call, f"{{{PARTNER}}}request")
    record = ElementTree.SubElement(request, f"{{{PARTNER}}}masterRecord")
    _text(record, OBJECTS, "type", object)
    given = {name: _written(name, value) for name, value in values.items()}
    for name, text in given.items():
        if text is None:
            _text(record, OBJECTS, "fieldsToNull", name)
    _text(record, OBJECTS, "Id", master)
    for name, text in given.items():
        if text is not None:
            _text(record, OBJECTS, name, text)
    for loser in losers:
        _text(request, PARTNER, "recordToMergeIds", loser)
    return bytes(ElementTree.tostring(envelope, encoding="utf-8", xml_declaration=True))


def read_merge(content: bytes) -> Merged | Trouble:
    """
    Return what an answer says: what became of the merge, or why the call as a whole has failed.

    :raises Unreadable: if it says neither
    """
    body = _child(_parsed(content), "Body")
    if body is None:
        raise Unreadable("There is no body")
    if (fault := _child(body, "Fault")) is not None:
        return _fault(fault)
    response = _child(body, "mergeResponse")
    results = [] if response is None else list(_children(response, "result"))
    if len(results) != 1:
        raise Unreadable("There is no result")
    (result,) = results
    return Merged(
        id=_text_of(result, "id"),
        success=_text_of(result, "success") == "true",
        merged=tuple(_texts(result, "mergedRecordIds")),
        moved=tuple(_texts(result, "updatedRelatedIds")),
        troubles=tuple(
            Trouble(_text_of(one, "statusCode"), _text_of(one, "message"), tuple(_texts(one, "fields")))
            for one in _children(result, "errors")
        ),
    )


def _written(name: str, value: Any) -> str | None:
    """Return a value as XML Schema writes it, or None for an empty one."""
    if value in (None, ""):
        return None
    text = _as_text(value)
    if text is None:
        raise _unwritable(name, f"{type(value).__name__} {value!r:.40} cannot be written as XML")
    if _IMPOSSIBLE.search(text):
        raise _unwritable(name, "it has a character that XML has no place for")
    return text


def _as_text(value: Any) -> str | None:
    match value:
        case bool():
            return "true" if value else "false"
        case int() | str():
            return str(value)
        case Decimal() if value.is_finite():
            return format(value, "f")
        case datetime() if value.tzinfo is None:
            return None  # without a time zone it is no moment
        case date():
            return value.isoformat()
        case _:
            return None


def _unwritable(name: str, said: str) -> errors.Refused:
    return errors.Refused(f"{name}: {said}", code=UNWRITABLE, field=name)


def _text(parent: ElementTree.Element, space: str, name: str, text: str) -> None:
    ElementTree.SubElement(parent, f"{{{space}}}{name}").text = text


def _parsed(content: bytes) -> ElementTree.Element:
    """
    Return the root of a document that can hold no entities: one with a document type is not read at all.

    :raises Unreadable: if it is none, or too large
    """
    if len(content) > LARGEST:
        raise Unreadable("It is too large")
    try:
        text = content.decode("utf-8-sig")  # and not as the document declares, which might hide something
        if "<!DOCTYPE" in text or "<!ENTITY" in text:
            raise Unreadable("It has a document type")
        return ElementTree.fromstring(text)  # noqa: S314  # without a document type there are no entities
    except (UnicodeDecodeError, ElementTree.ParseError, ValueError) as reason:
        raise Unreadable(str(reason)) from None


def _fault(fault: ElementTree.Element) -> Trouble:
    """Return a fault: its code without the prefix, and its text without the code."""
    detail = _child(fault, "detail")
    told = next(iter(detail), None) if detail is not None else None
    code = _text_of(told, "exceptionCode") if told is not None else ""
    code = code or _text_of(fault, "faultcode").rpartition(":")[2]
    said = _text_of(told, "exceptionMessage") if told is not None else ""
    return Trouble(code, said or _text_of(fault, "faultstring").removeprefix(f"{code}: "))


def _children(parent: ElementTree.Element, name: str) -> Iterator[ElementTree.Element]:
    return (child for child in parent if child.tag.rpartition("}")[2] == name)


def _child(parent: ElementTree.Element, name: str) -> ElementTree.Element | None:
    return next(_children(parent, name), None)


def _text_of(parent: ElementTree.Element, name: str) -> str:
    child = _child(parent, name)
    return "" if child is None else (child.text or "").strip()


def _texts(parent: ElementTree.Element, name: str) -> list[str]:
    return [text for child in _children(parent, name) if (text := (child.text or "").strip())]
