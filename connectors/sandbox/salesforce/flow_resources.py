"""This module answers `actions`: which autolaunched Flows there are, what they take, and starting them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from connectors.sandbox.salesforce.answers import Answer, as_json, nothing_there, refused
from connectors.sandbox.salesforce.ids import new_id
from connectors.sandbox.salesforce.interviews import FAULT, Fault, Interview

if TYPE_CHECKING:
    from connectors.sandbox.salesforce.calls import Call
    from connectors.sandbox.salesforce.flows import Flow, Variable

MOST_INPUTS = 200


def actions(call: Call) -> Answer:
    """
    Answer everything below `actions`.

    https://developer.salesforce.com/docs/atlas.en-us.api_action.meta/api_action/actions_obj_flow.htm

    :raises Refused: with the error of the real resource
    """
    segments = [segment.lower() for segment in call.segments[1:3]]
    address = f"/services/data/v{call.version}/actions"
    if not segments:
        call.allow("GET")
        return as_json({"custom": f"{address}/custom", "standard": f"{address}/standard"})
    if segments == ["custom"]:
        call.allow("GET")
        return as_json({"flow": f"{address}/custom/flow"})
    if segments != ["custom", "flow"] or len(call.segments) > 4:
        raise nothing_there()
    if len(call.segments) == 3:
        call.allow("GET")
        return as_json({"actions": [_summary(flow, address) for flow in call.org.flows.launchable()]})
    flow = _flow(call, call.segments[3])
    call.allow("GET", "POST")
    return as_json(_description(flow)) if call.method == "GET" else _start(call, flow)


def _flow(call: Call, name: str) -> Flow:
    found = [flow for flow in call.org.flows.launchable() if flow.name.lower() == name.lower()]
    if not found:
        raise refused("NOT_FOUND", f"Could not find flow: {name}")
    return found[0]


def _summary(flow: Flow, address: str) -> dict[str, Any]:
    return {
        "label": flow.label,
        "name": flow.name,
        "type": "FLOW",
        "url": f"{address}/custom/flow/{flow.name}",
    }


def _description(flow: Flow) -> dict[str, Any]:
    return {
        "category": None,
        "description": flow.label,
        "inputs": [_parameter(variable) for variable in flow.variables if variable.is_input],
        "label": flow.label,
        "name": flow.name,
        "outputs": [
            *(_parameter(variable) for variable in flow.variables if variable.is_output),
            {"name": "Flow__InterviewStatus", "type": "STRING", "label": "Interview Status", "maxOccurs": 1},
        ],
        "standard": False,
        "targetEntityName": None,
        "type": "FLOW",
    }


def _parameter(variable: Variable) -> dict[str, Any]:
    return {
        "byteLength": 0,
        "description": None,
        "label": variable.name,
        "maxOccurs": 2000 if variable.collection else 1,
        "name": variable.name,
        "required": False,
        "sobjectType": None,
        "type": variable.type,
    }


def _start(call: Call, flow: Flow) -> Answer:
    inputs = call.json().get("inputs", [{}])
    if not isinstance(inputs, list) or not all(isinstance(each, dict) for each in inputs):
        raise refused("JSON_PARSER_ERROR", "inputs: a list of objects is expected at [line:1, column:1]")
    if len(inputs) > MOST_INPUTS:
        raise refused("EXCEEDED_ID_LIMIT", f"The maximum number of inputs is {MOST_INPUTS}")
    known = {variable.name for variable in flow.variables if variable.is_input}
    results = [_interview(call, flow, each, known) for each in inputs]
    failed = not all(result["isSuccess"] for result in results)
    return as_json(results, 400 if failed else 200)


def _interview(call: Call, flow: Flow, inputs: dict[str, Any], known: set[str]) -> dict[str, Any]:
    """Hold one interview in a transaction of its own, and return its result."""
    strange = next((name for name in inputs if name not in known), None)
    if strange is not None:
        return _failed(flow, "INVALID_INPUT", f"The flow {flow.name} has no input variable {strange}")
    saving = call.saving()
    try:
        outputs = Interview(flow, saving, inputs, "api").hold()
    except Fault as fault:
        return _failed(flow, "UNKNOWN_EXCEPTION", f"{FAULT}<br>{fault}")
    saving.settle()
    call.org.interviews += 1
    guid = new_id("0Fo", call.org.interviews)
    return {
        "actionName": flow.name,
        "errors": None,
        "invocationId": None,
        "isSuccess": True,
        "outcome": None,
        "outputValues": {
            "Flow__InterviewGuid": guid,
            "Flow__InterviewStatus": "Finished",
            **outputs,
        },
        "sortOrder": -1,
        "version": 1,
    }


def _failed(flow: Flow, code: str, message: str) -> dict[str, Any]:
    return {
        "actionName": flow.name,
        "errors": [{"statusCode": code, "message": message, "fields": []}],
        "invocationId": None,
        "isSuccess": False,
        "outcome": None,
        "outputValues": None,
        "sortOrder": -1,
        "version": 1,
    }
