"""This module answers `composite` and `composite/graph`: several calls in one, using each other's results."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec

from connectors.sandbox.salesforce.answers import (
    ENCODER,
    Answer,
    Refused,
    as_json,
    from_refusal,
    nothing_there,
    refused,
)
from connectors.sandbox.salesforce.calls import DECODER, truth

if TYPE_CHECKING:
    from connectors.sandbox.salesforce.calls import Call

MOST_CALLS = 25
MOST_QUERIES = 5  # collections and queries among them
MOST_GRAPHS = 75
MOST_NODES = 500
MOST_FAILURES = 14  # graphs after so many failed ones are not tried
REFERENCE = re.compile(r"@\{([A-Za-z0-9_]+)((?:\.[A-Za-z0-9_]+|\[\d+\])*)\}")
STEP = re.compile(r"\.([A-Za-z0-9_]+)|\[(\d+)\]")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_]*")
METHODS = frozenset({"GET", "POST", "PATCH", "PUT", "DELETE", "HEAD"})
HALTED = {
    "errorCode": "PROCESSING_HALTED",
    "message": "The transaction was rolled back since another operation in the same transaction failed.",
}


def composite(call: Call) -> Answer:
    """
    Answer `composite` and `composite/graph`.

    https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_composite_composite.htm

    :raises Refused: if the request as a whole cannot be
    """
    rest = [segment.lower() for segment in call.segments[1:]]
    if rest not in ([], ["graph"]):
        raise nothing_there()
    call.allow("POST")
    body = call.json()
    if rest == ["graph"]:
        return as_json({"graphs": _graphs(call, body)})
    parts = _requests(body, MOST_CALLS)
    if sum(1 for part in parts if _is_heavy(part)) > MOST_QUERIES:
        raise refused(
            "LIMIT_EXCEEDED", f"At most {MOST_QUERIES} queries and collections may stand in a composite"
        )
    return as_json({"compositeResponse": Unit(call, parts, whole=truth(body.get("allOrNone"))).answer()})


def _graphs(call: Call, body: dict[str, Any]) -> list[dict[str, Any]]:
    graphs = body.get("graphs")
    if not isinstance(graphs, list) or not all(isinstance(graph, dict) for graph in graphs):
        raise refused("JSON_PARSER_ERROR", "graphs: a list of objects is expected at [line:1, column:1]")
    if not 1 <= len(graphs) <= MOST_GRAPHS:
        raise refused("LIMIT_EXCEEDED", f"A request holds between 1 and {MOST_GRAPHS} graphs")
    wanted = [(str(graph.get("graphId", "")), _requests(graph, MOST_NODES)) for graph in graphs]
    if sum(len(parts) for _, parts in wanted) > MOST_NODES:
        raise refused("LIMIT_EXCEEDED", f"A request holds at most {MOST_NODES} nodes")
    names = [name for name, _ in wanted]
    if len(set(names)) < len(names) or "" in names:
        raise refused("INVALID_INPUT", "Each graph needs a graphId of its own.")
    answers: list[dict[str, Any]] = []
    for name, parts in wanted:
        tried = sum(1 for answer in answers if not answer["isSuccessful"]) < MOST_FAILURES
        told = Unit(call, parts, whole=True).answer() if tried else [_halted(part) for part in parts]
        well = all(part["httpStatusCode"] < 300 for part in told)
        answers.append({"graphId": name, "graphResponse": {"compositeResponse": told}, "isSuccessful": well})
    return answers


def _requests(body: dict[str, Any], most: int) -> list[dict[str, Any]]:
    """Return the parts of a request, each with an address, a method and a name of its own."""
    parts = body.get("compositeRequest")
    if not isinstance(parts, list) or not parts or not all(isinstance(part, dict) for part in parts):
        raise refused(
            "JSON_PARSER_ERROR", "compositeRequest: a list of objects is expected at [line:1, column:1]"
        )
    if len(parts) > most:
        raise refused("LIMIT_EXCEEDED", f"The limit of {most} subrequests is exceeded")
    names = [part.get("referenceId") for part in parts]
    for part, name in zip(parts, names, strict=True):
        if not isinstance(name, str) or NAME.fullmatch(name) is None:
            raise refused("INVALID_INPUT", f"Invalid reference ID: {name}")
        if names.count(name) > 1:
            raise refused("INVALID_INPUT", f"Duplicate reference ID: {name}")
        if part.get("method") not in METHODS or not isinstance(part.get("url"), str):
            raise refused("INVALID_INPUT", f"The subrequest {name} needs a method and a url.")
    return parts


def _is_heavy(part: dict[str, Any]) -> bool:
    return "/query" in part["url"] or "/composite/sobjects" in part["url"]


class Unit:
    """Calls that are made one after the other; as a `whole` they all take effect, or none."""

    def __init__(self, call: Call, parts: list[dict[str, Any]], *, whole: bool) -> None:
        self._call = call
        self._parts = parts
        self._whole = whole
        self._told: dict[str, Any] = {}  # what each call answered, by its name
        self._saving = call.saving() if whole else None

    def answer(self) -> list[dict[str, Any]]:
        """Return one answer per part; HTTP 200 says nothing about any of them."""
        answers: list[dict[str, Any]] = []
        for part in self._parts:
            answer = self._one(part)
            answers.append(answer)
            if answer["httpStatusCode"] < 300:
                self._told[part["referenceId"]] = answer["body"]
            elif self._saving is not None:
                self._saving.undo()
                cause = len(answers) - 1
                return [answer if place == cause else _halted(each) for place, each in enumerate(self._parts)]
        if self._saving is not None:
            self._saving.settle()
        return answers

    def _one(self, part: dict[str, Any]) -> dict[str, Any]:
        try:
            answer = self._call.dispatch(self._inner(part))
        except Refused as refusal:
            answer = from_refusal(refusal)
        except KeyError as missing:
            said = f"Invalid reference specified. No value for {missing.args[0]} found"
            answer = as_json([{"errorCode": "PROCESSING_HALTED", "message": said}], 400)
        headers = {name: value for name, value in answer.headers.items() if name == "Location"}
        body = DECODER.decode(answer.body) if answer.body else None
        return {
            "body": body,
            "httpHeaders": headers,
            "httpStatusCode": answer.status,
            "referenceId": part["referenceId"],
        }

    def _inner(self, part: dict[str, Any]) -> Call:
        """Return the part as a call of its own, with what it refers to put in."""
        address = urlsplit(self._filled(part["url"]))
        segments = [unquote(segment) for segment in address.path.split("/") if segment]
        if segments[:3] != ["services", "data", f"v{self._call.version}"]:
            raise refused("INVALID_INPUT", f"The url must begin with /services/data/v{self._call.version}")
        headers = {"content-type": "application/json"}
        for name in ("sforce-duplicate-rule-header", "sforce-query-options"):
            if name in self._call.headers:
                headers[name] = self._call.headers[name]
        headers |= {str(name).lower(): str(value) for name, value in (part.get("httpHeaders") or {}).items()}
        return replace(
            self._call,
            method=part["method"],
            segments=segments[3:],
            query=dict(parse_qsl(address.query, keep_blank_values=True)),
            headers=headers,
            body=ENCODER.encode(self._deep(part.get("body"))) if part.get("body") is not None else b"",
            transaction=self._saving,
        )

    def _deep(self, value: Any) -> Any:
        match value:
            case str():
                return self._filled(value)
            case list():
                return [self._deep(item) for item in value]
            case dict():
                return {name: self._deep(item) for name, item in value.items()}
            case _:
                return value

    def _filled(self, text: str) -> str:
        return REFERENCE.sub(lambda match: self._value(match.group(1), match.group(2)), text)

    def _value(self, name: str, path: str) -> str:
        """
        Return what a reference stands for.

        :raises KeyError: if there is no such thing
        """
        here = self._told[name]
        for step, place in STEP.findall(path):
            try:
                here = here[int(place)] if place else here[step]
            except (KeyError, IndexError, TypeError):
                raise KeyError(step or place) from None
        if here is None or isinstance(here, dict | list):
            raise KeyError(name + path)
        return here if isinstance(here, str) else msgspec.json.encode(here).decode()


def _halted(part: dict[str, Any]) -> dict[str, Any]:
    return {"body": [HALTED], "httpHeaders": {}, "httpStatusCode": 400, "referenceId": part["referenceId"]}
