"""This module reads what clients send to the SOAP API, and writes what the org answers there."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree

from connectors.sandbox.salesforce.answers import Answer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from connectors.sandbox.salesforce.answers import Problem

ENVELOPE = "http://schemas.xmlsoap.org/soap/envelope/"
INSTANCE = "http://www.w3.org/2001/XMLSchema-instance"
PARTNER = "urn:partner.soap.sforce.com"
FAULTS = "urn:fault.partner.soap.sforce.com"
HEADERS = {"Content-Type": "text/xml;charset=UTF-8"}

# Faults that have an element of their own; all others are unexpected.
NAMED = {
    "INVALID_FIELD": "InvalidFieldFault",
    "INVALID_TYPE": "InvalidSObjectFault",
    "INVALID_SESSION_ID": "UnexpectedErrorFault",
}


class Fault(Exception):
    """A call fails as a whole; without a code it is one that the org cannot make sense of."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def parse(raw: bytes) -> ElementTree.Element:
    """
    Return the envelope that a client sent.

    A document type is refused: it could hold entities that grow without end, or name files of this machine.

    :raises Fault: if it is none
    """
    try:
        text = raw.decode("utf-8-sig")
        if "<!DOCTYPE" in text or "<!ENTITY" in text:
            raise Fault("", "DOCTYPE is not allowed")
        root = ElementTree.fromstring(text)  # noqa: S314 - no document type, so no entities
    except (UnicodeDecodeError, ElementTree.ParseError, ValueError) as reason:
        raise Fault("", f"Unable to parse the request: {reason}") from reason
    if root.tag != f"{{{ENVELOPE}}}Envelope":
        raise Fault("", f"No such element: {local(root)}")
    return root


def local(element: ElementTree.Element) -> str:
    """Return the name of an element without its namespace."""
    return element.tag.rpartition("}")[2]


def children(parent: ElementTree.Element, name: str) -> Iterator[ElementTree.Element]:
    """Return the children of that name, whatever their namespace."""
    return (child for child in parent if local(child) == name)


def child(parent: ElementTree.Element | None, *path: str) -> ElementTree.Element | None:
    """Return the element at the end of a path, if there is one."""
    for name in path:
        parent = None if parent is None else next(children(parent, name), None)
    return parent


def text(element: ElementTree.Element | None) -> str:
    """Return the text of an element, nothing where there is none."""
    return "" if element is None else (element.text or "").strip()


def fault(problem: Fault) -> Answer:
    """Answer with a fault, which comes with HTTP 500 whatever it means."""
    envelope, body = _envelope()
    told = ElementTree.SubElement(body, f"{{{ENVELOPE}}}Fault")
    if not problem.code:
        ElementTree.SubElement(told, "faultcode").text = "soapenv:Client"
        ElementTree.SubElement(told, "faultstring").text = problem.message
        return _answer(envelope, 500)
    ElementTree.SubElement(told, "faultcode").text = f"sf:{problem.code}"
    ElementTree.SubElement(told, "faultstring").text = f"{problem.code}: {problem.message}"
    detail = ElementTree.SubElement(told, "detail")
    kind = NAMED.get(problem.code, "UnexpectedErrorFault")
    inner = ElementTree.SubElement(detail, f"{{{FAULTS}}}{kind}", {f"{{{INSTANCE}}}type": f"sf:{kind}"})
    ElementTree.SubElement(inner, f"{{{FAULTS}}}exceptionCode").text = problem.code
    ElementTree.SubElement(inner, f"{{{FAULTS}}}exceptionMessage").text = problem.message
    return _answer(envelope, 500)


class Results:
    """The results of the requests of one call, each of which succeeds or fails by itself."""

    def __init__(self, call: str) -> None:
        self._envelope, body = _envelope()
        self._response = ElementTree.SubElement(body, f"{{{PARTNER}}}{call}Response")

    def done(self, master: str, merged: Sequence[str], moved: Sequence[str]) -> None:
        """Add a merge that was done."""
        result = ElementTree.SubElement(self._response, f"{{{PARTNER}}}result")
        _add(result, "id", master)
        for one in merged:
            _add(result, "mergedRecordIds", one)
        _add(result, "success", "true")
        for one in moved:
            _add(result, "updatedRelatedIds", one)

    def failed(self, problems: Sequence[Problem]) -> None:
        """Add a merge that was not done."""
        result = ElementTree.SubElement(self._response, f"{{{PARTNER}}}result")
        for one in problems:
            error = ElementTree.SubElement(result, f"{{{PARTNER}}}errors")
            for name in one.fields or ():
                _add(error, "fields", name)
            _add(error, "message", one.message)
            _add(error, "statusCode", one.code)
        nil = ElementTree.SubElement(result, f"{{{PARTNER}}}id")
        nil.set(f"{{{INSTANCE}}}nil", "true")
        _add(result, "success", "false")

    def answer(self) -> Answer:
        """Answer with all of them."""
        return _answer(self._envelope, 200)


def _add(parent: ElementTree.Element, name: str, said: str) -> None:
    ElementTree.SubElement(parent, f"{{{PARTNER}}}{name}").text = said


def _envelope() -> tuple[ElementTree.Element, ElementTree.Element]:
    envelope = ElementTree.Element(f"{{{ENVELOPE}}}Envelope")
    return envelope, ElementTree.SubElement(envelope, f"{{{ENVELOPE}}}Body")


def _answer(envelope: ElementTree.Element, status: int) -> Answer:
    for prefix, uri in (("soapenv", ENVELOPE), ("xsi", INSTANCE), ("sf", FAULTS)):
        ElementTree.register_namespace(prefix, uri)
    body = ElementTree.tostring(envelope, encoding="utf-8", xml_declaration=True)
    return Answer(status, bytes(body), dict(HEADERS))
