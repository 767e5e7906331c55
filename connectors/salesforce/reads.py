"""This module asks Salesforce for records, descriptions and limits, through simple-salesforce."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from string import Formatter
from typing import Any
from urllib.parse import quote

import requests as http

from connectors.base import Account, Answer, Params, Result
from connectors.diagnosis import kind_of
from connectors.salesforce import deploying, merges, modified, schema, sessions, topics
from connectors.salesforce.client import Org
from connectors.salesforce.errors import (
    Expired,
    failure_of,
    is_expired,
    problems_of,
    unreachable,
    unreadable,
)
from integrator.kernel import errors

LONGEST_QUERY = 14_000  # bytes once encoded; address and headers together may have 16,384
MOST_FIELDS = 50
FARTHEST = 100  # decimal places either way of a number in a query, which has no exponents

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,79}")
_PATH = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,79}(?:\.[A-Za-z][A-Za-z0-9_]{0,79}){0,5}")


def read(account: Account, action: str, requests: Sequence[Params], *, deadline: float) -> list[Result]:
    """
    Do the reading `action` once per request.

    :raises KeyError: if there is no such action
    """
    ask = READS[action]
    return sessions.run(
        account,
        lambda org, params: _translated(ask, org, params),
        requests,
        failed=_as_result,
        deadline=deadline,
    )


def _query(org: Org, params: Params) -> Answer:
    soql = bound(str(params.get("soql") or ""), params.get("bindings") or {})
    if len(quote(soql)) > LONGEST_QUERY:
        raise errors.Refused("The query is too long for an address.", code="QUERY_TOO_LONG")
    return {"records": _records(org, soql)}


def _find(org: Org, params: Params) -> Answer:
    object_, by = str(params.get("object") or ""), str(params.get("field") or "")
    fields = [str(name) for name in params.get("fields") or ("Id",)]
    if not _NAME.fullmatch(object_):
        raise errors.Refused(f"{object_!r} is no API name of an object.", code="INVALID_TYPE", field="object")
    wrong = next((name for name in (by, *fields) if not _PATH.fullmatch(name)), None)
    if wrong is not None or len(fields) > MOST_FIELDS:
        said = "Too many fields." if wrong is None else f"{wrong!r} is no API name of a field."
        raise errors.Refused(said, code="INVALID_FIELD", field=wrong or "")
    columns = {name.lower(): name for name in (*fields, by)}
    soql = " ".join(("SELECT", ", ".join(columns.values()), "FROM", object_, "WHERE", by, "IN {values}"))
    values = dict.fromkeys(map(_scalar, params.get("values") or ()))
    most = params.get("limit")
    last = f" LIMIT {int(most)}" if most else ""
    found: list[dict[str, Any]] = []
    for query in _queries(soql, [value for value in values if value not in (None, "")]):
        found += _records(org, query + last)
    return {"records": found[: int(most)] if most else found}


def _scalar(value: Any) -> Any:
    if isinstance(value, str | int | Decimal | date | None):
        return value
    raise errors.Refused("A list or an object is no value to look for.", code="MALFORMED_QUERY")


def _queries(soql: str, values: list[Any]) -> Iterator[str]:
    """
    Yield the query for all the values, in as many parts as an address is too short for the whole.

    :raises Refused: if the query is too long for a single value
    """
    if not values:
        return
    query = bound(soql, {"values": values})
    if len(quote(query)) <= LONGEST_QUERY:
        yield query
        return
    if len(values) == 1:
        raise errors.Refused("The query is too long for an address.", code="QUERY_TOO_LONG")
    middle = len(values) // 2
    yield from _queries(soql, values[:middle])
    yield from _queries(soql, values[middle:])


def _records(org: Org, soql: str) -> list[dict[str, Any]]:
    return [_without_attributes(record) for record in org.reader().query_all_iter(soql, hooks=org.hooks())]


def _limits(org: Org, params: Params) -> Answer:
    return _mapping(org.reader().restful("limits", hooks=org.hooks()))


def _setup_query(org: Org, params: Params) -> Answer:
    """
    Ask the Tooling API, which lists what has been set up.

    https://developer.salesforce.com/docs/platform/api-tooling/guide/intro-rest-resources.html
    """
    soql = bound(str(params.get("soql") or ""), params.get("bindings") or {})
    told = _mapping(org.reader().restful("tooling/query", params={"q": soql}, hooks=org.hooks()))
    return {"records": [_without_attributes(record) for record in told["records"]]}


READS: dict[str, Callable[[Org, Params], Answer]] = {
    "query": _query,
    "find": _find,
    "describe": schema.describe,
    "describe_global": schema.describe_global,
    "picklist_values": schema.picklist_values,
    "limits": _limits,
    "topic": topics.topic,
    "setup_query": _setup_query,
    "deployment": deploying.deployment,
    "modified": modified.modified,
    "deleted": modified.deleted,
    "merged": merges.merged,
}


def bound(soql: str, bindings: Mapping[str, Any]) -> str:
    """
    Return `soql` with every `{name}` replaced by the quoted value of that name; `{name:like}` within LIKE.

    Nothing else is allowed in the braces: format strings can otherwise reach attributes of Python objects,
    and simple-salesforce knows a way to insert text unquoted.

    :raises Refused: if a placeholder is of another form, has no value, or the value cannot be quoted
    """
    try:
        parts = list(Formatter().parse(soql))
    except ValueError as problem:
        raise errors.Refused(f"The query has unbalanced braces: {problem}", code="MALFORMED_QUERY") from None
    for _, name, spec, conversion in parts:
        if name is None:
            continue
        if name not in bindings or not name.isidentifier() or spec not in ("", "like") or conversion:
            raise errors.Refused(
                f"{{{name}}} is no binding of this query.", code="MALFORMED_QUERY", field=name
            )
    from connectors.salesforce import simple  # noqa: PLC0415  # only who reads needs its 8 MB

    try:
        values = {name: _quotable(value) for name, value in bindings.items()}
        return simple.SoqlFormatter().vformat(soql, (), values)
    except (ValueError, TypeError) as problem:
        raise errors.Refused(f"A value cannot stand in a query: {problem}", code="MALFORMED_QUERY") from None


class _Number(int):
    """A Decimal on its way into a query, which simple-salesforce would not quote."""

    def __new__(cls, value: Decimal) -> _Number:
        number = super().__new__(cls, 0)
        number.text = format(value, "f")
        return number

    text: str

    def __str__(self) -> str:
        return self.text


def _quotable(value: Any) -> Any:
    if isinstance(value, Decimal) and value.is_finite():
        if value and abs(value.adjusted()) > FARTHEST:
            raise ValueError("a number has too many digits")
        return _Number(value or Decimal(0))  # not 0E+999999999, which is as long written out
    if isinstance(value, list | tuple | set | frozenset):
        return [_quotable(item) for item in value]
    return value


def _translated(ask: Callable[[Org, Params], Answer], org: Org, params: Params) -> Result:
    from connectors.salesforce import simple  # noqa: PLC0415  # only who reads needs its 8 MB

    try:
        return ask(org, params)
    except simple.SalesforceError as error:
        problems = problems_of(error.content)
        if is_expired(error.status, problems):
            raise Expired from None
        return failure_of(error.status, problems, now=datetime.now(UTC))
    except http.JSONDecodeError:
        return unreadable(200)
    except http.RequestException as error:
        return unreachable(kind_of(error))
    except (KeyError, TypeError, AttributeError):
        # JSON, but not of the shape that simple-salesforce takes for granted.
        return unreadable(200)
    except UnicodeError:
        return errors.Refused("A value of the query cannot be written as UTF-8.", code="MALFORMED_QUERY")


def _as_result(failure: errors.IntegrationError, params: Params) -> Result:
    return failure


def _mapping(told: Any) -> Answer:
    if not isinstance(told, dict):
        raise TypeError("An object was expected")
    return told


def _without_attributes(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return a record without what REST adds to each, those of its look-ups and sub-queries included."""
    return {name: _plain(value) for name, value in record.items() if name != "attributes"}


def _plain(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    if isinstance(value.get("records"), list):
        return [_without_attributes(record) for record in value["records"]]
    return _without_attributes(value)
