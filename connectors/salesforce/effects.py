"""
This module does in Salesforce what must not be done twice: it starts Flows and publishes platform events.

Nothing finds such an act again, so a lost answer is uncertain and never tried again from here. Sources:
https://developer.salesforce.com/docs/atlas.en-us.api_action.meta/api_action/actions_obj_flow.htm and
https://developer.salesforce.com/docs/atlas.en-us.platform_events.meta/platform_events/platform_events_publish_api.htm
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import requests

from connectors.base import Account, Params, Result
from connectors.salesforce import batches
from connectors.salesforce.batches import RefusedWhole, Written
from connectors.salesforce.client import Org, encoded, json_of, request_id_of
from connectors.salesforce.errors import Problem, failure_of, in_doubt, problems_of, unreadable
from integrator.kernel import errors
from integrator.kernel.texts import storable

LONGEST_ID = 255
FAULTY = "CANNOT_EXECUTE_FLOW_TRIGGER"

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,79}")
_EVENT = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,76}__e")


@dataclass(frozen=True, slots=True)
class Act:
    """One Flow to start, or one event to publish."""

    name: str
    values: bytes
    named: frozenset[str]
    target: None = field(default=None, init=False)  # two acts with the same values are two acts

    @property
    def shared(self) -> str:
        """Return what one call is about."""
        return self.name


def start_flow(account: Account, requests: Sequence[Params], *, deadline: float) -> list[Result]:
    """
    Start a Flow per request and return one result each, or a failure: `outputs` and the interview's `status`.

    Up to 200 interviews of one Flow start in one call.
    """
    todo, results = batches.prepared(_flow_in, requests)
    results |= batches.carry(account, todo, _start, deadline=deadline)
    return [results[place] for place in range(len(requests))]


def publish(account: Account, requests: Sequence[Params], *, deadline: float) -> list[Result]:
    """
    Publish an event per request and return one result each, or a failure.

    `id` is what Salesforce answered; it is not unique and does not come with the event. An accepted event
    is queued: nobody tells whether it was delivered.
    """
    todo, results = batches.prepared(_event_in, requests)
    work = _publish_one if len(requests) == 1 else _publish_many
    results |= batches.carry(account, todo, work, deadline=deadline)
    return [results[place] for place in range(len(requests))]


def _flow_in(params: Params) -> Act:
    name = str(params.get("flow") or "")
    if not _NAME.fullmatch(name):
        raise errors.Refused(f"{name!r} is no API name of a Flow.", code="INVALID_TYPE", field="flow")
    return _act(name, params.get("inputs") or {})


def _event_in(params: Params) -> Act:
    name = str(params.get("event") or "")
    if not _EVENT.fullmatch(name):
        said = f"{name!r} is no API name of a platform event: it ends with __e."
        raise errors.Refused(said, code="INVALID_TYPE", field="event")
    return _act(name, params.get("values") or {})


def _act(name: str, values: Mapping[str, Any]) -> Act:
    return Act(name, encoded(values), frozenset(key.lower() for key in values))


def _start(org: Org, chunk: dict[int, Act]) -> Written:
    name = next(iter(chunk.values())).name
    inputs = b",".join(act.values for act in chunk.values())
    path = f"{org.data}/actions/custom/flow/{name}"
    answer = org.request("POST", path, body=b'{"inputs":[' + inputs + b"]}", repeatable=False)
    told = json_of(answer)
    if _is_one_each(told, chunk, key="isSuccess"):
        # An interview that failed makes the whole answer a 400; the others were held all the same.
        return {place: _interview(org, item, answer) for place, item in zip(chunk, told, strict=True)}
    raise _refusal(org, answer, f"The org has no active autolaunched Flow {name}", name)


def _interview(org: Org, item: Mapping[str, Any], answer: requests.Response) -> Result:
    outputs = item.get("outputValues")
    outputs = dict(outputs) if isinstance(outputs, dict) else {}
    status = str(outputs.pop("Flow__InterviewStatus", "") or "")
    if item.get("isSuccess") and status != "Error":
        return {"outputs": outputs, "status": status}
    problems = problems_of(item.get("errors") or []) or [Problem(FAULTY, "The Flow ended with an error.")]
    # An interview that ends with a fault takes back what it saved, and the next one would meet it again.
    problems = [one._replace(code=FAULTY) if one.code == "UNKNOWN_EXCEPTION" else one for one in problems]
    return _failure(org, problems, answer)


def _publish_one(org: Org, chunk: dict[int, Act]) -> Written:
    ((place, act),) = chunk.items()
    path = f"{org.data}/sobjects/{act.name}"
    answer = org.request("POST", path, body=act.values, repeatable=False)
    if answer.status_code == 201:
        return {place: _published(org, act, json_of(answer), answer)}
    raise _refusal(org, answer, f"The org has no platform event {act.name}", act.name)


def _publish_many(org: Org, chunk: dict[int, Act]) -> Written:
    name = next(iter(chunk.values())).name
    head = encoded({"attributes": {"type": name}})[:-1]
    items = [head + (b"}" if act.values == b"{}" else b"," + act.values[1:]) for act in chunk.values()]
    body = b'{"allOrNone":false,"records":[' + b",".join(items) + b"]}"
    answer = org.request("POST", f"{org.data}/composite/sobjects", body=body, repeatable=False)
    told = json_of(answer)
    if answer.status_code == 200 and _is_one_each(told, chunk, key="success"):
        each = zip(chunk.items(), told, strict=True)
        return {place: _published(org, act, item, answer) for (place, act), item in each}
    raise _refusal(org, answer, f"The org has no platform event {name}", name)


def _published(org: Org, act: Act, item: Any, answer: requests.Response) -> Result:
    if not isinstance(item, dict):
        return in_doubt(unreadable(answer.status_code, request_id=request_id_of(answer)))
    if item.get("success"):  # with an "error" OPERATION_ENQUEUED, which is none
        return {"id": storable(str(item.get("id") or ""), LONGEST_ID)}
    failure = _failure(org, problems_of(item.get("errors") or []), answer)
    if failure.code == "INVALID_TYPE":
        failure.field = act.name
    return failure


def _is_one_each(told: Any, chunk: Mapping[int, Act], *, key: str) -> bool:
    return (
        isinstance(told, list)
        and len(told) == len(chunk)
        and all(isinstance(item, dict) and key in item for item in told)
    )


def _failure(org: Org, problems: Sequence[Problem], answer: requests.Response) -> errors.IntegrationError:
    return in_doubt(failure_of(400, problems, now=org.now(), request_id=request_id_of(answer)))


def _refusal(org: Org, answer: requests.Response, absent: str, name: str) -> RefusedWhole:
    """Return the failure of a whole call, in doubt if the answer is not one of the API's."""
    if answer.status_code < 300:
        return RefusedWhole(in_doubt(unreadable(answer.status_code, request_id=request_id_of(answer))))
    failure = org.failure(answer)
    if isinstance(failure, errors.Missing):
        failure = errors.Refused(
            f"{absent} that the integration user may use. Salesforce said: {failure}",
            code="INVALID_TYPE",
            field=name,
            request_id=failure.request_id,
        )
    return RefusedWhole(in_doubt(failure))
