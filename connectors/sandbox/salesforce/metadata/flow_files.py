"""This module makes a Flow from its metadata: the elements that the sandbox can walk through."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connectors.sandbox.salesforce.flows import (
    Assign,
    Condition,
    CreateRecord,
    Decision,
    Flow,
    Lookup,
    Reference,
    Subflow,
    Trigger,
    UpdateRecord,
    Variable,
)
from connectors.sandbox.salesforce.metadata.markup import Node, Unreadable

if TYPE_CHECKING:
    from connectors.sandbox.salesforce.flows import Element, Value

ACTS = {
    "Create": frozenset({"create"}),
    "Update": frozenset({"update"}),
    "CreateAndUpdate": frozenset({"create", "update"}),
}
OPERATORS = frozenset({"EqualTo", "NotEqualTo", "IsNull"})
ELEMENTS = ("decisions", "subflows", "recordLookups", "recordCreates", "recordUpdates", "assignments")
# Elements of real Flows that are left out here would make a run look as if it had done what it had not.
UNSUPPORTED = ("actionCalls", "apexPluginCalls", "loops", "recordDeletes", "screens", "waits", "steps")
LITERALS = ("stringValue", "booleanValue", "numberValue", "dateValue", "dateTimeValue")


def flow_of(name: str, node: Node) -> Flow:
    """
    Return a Flow.

    :raises Unreadable: if it is of a kind, or has an element, that the sandbox does not simulate
    """
    if node.get("processType") != "AutoLaunchedFlow":
        raise Unreadable(f"The sandbox does not simulate flows of the type {node.get('processType')}")
    strange = next((kind for kind in UNSUPPORTED if node.all(kind)), None)
    if strange is not None:
        raise Unreadable(f"The sandbox does not simulate the element {strange} of a flow")
    formulas = {each.get("name"): each.get("expression") for each in node.all("formulas")}
    elements = {
        each.get("name"): _element(kind, each, formulas) for kind in ELEMENTS for each in node.all(kind)
    }
    _check_targets(node, elements)
    start = node.one("start")
    return Flow(
        name,
        node.get("label"),
        tuple(_variable(each) for each in node.all("variables")),
        elements,
        start.get("connector", "targetReference") or node.get("startElementReference"),
        _trigger(start) if start.get("object") else None,
        active=node.get("status") == "Active",
    )


def objects_of(flow: Flow) -> set[str]:
    """Return the objects that a Flow names."""
    named = {each.object for each in flow.elements.values() if isinstance(each, Lookup | CreateRecord)}
    return named | ({flow.trigger.object} if flow.trigger else set())


def subflows_of(flow: Flow) -> set[str]:
    """Return the Flows that a Flow runs."""
    return {each.flow for each in flow.elements.values() if isinstance(each, Subflow)}


def _check_targets(node: Node, elements: dict[str, Element]) -> None:
    for connector in _connectors(node):
        target = connector.get("targetReference")
        if target and target not in elements:
            raise Unreadable(f"The connector leads to {target}, which does not exist")


def _connectors(node: Node) -> list[Node]:
    found: list[Node] = []
    for name, children in node.children.items():
        for child in children:
            found += [child] if name in ("connector", "defaultConnector") else _connectors(child)
    return found


def _trigger(start: Node) -> Trigger:
    kind = start.get("recordTriggerType")
    if kind not in ACTS or start.get("triggerType") not in ("RecordAfterSave", "RecordBeforeSave"):
        raise Unreadable(f"The sandbox does not simulate flows that start on {kind or 'nothing'}")
    return Trigger(
        start.get("object"),
        ACTS[kind],
        tuple(_filter(each, "$Record.") for each in start.all("filters")),
        start.flag("doesRequireRecordChangedToMeetCriteria"),
    )


def _variable(node: Node) -> Variable:
    return Variable(
        node.get("name"),
        node.get("dataType").upper() or "STRING",
        node.flag("isInput"),
        node.flag("isOutput"),
        node.flag("isCollection"),
    )


def _element(kind: str, node: Node, formulas: dict[str, str]) -> Element:
    after = node.get("connector", "targetReference")
    match kind:
        case "decisions":
            return _decision(node)
        case "subflows":
            inputs = {
                each.get("name"): _value(each.one("value"), formulas) for each in node.all("inputAssignments")
            }
            return Subflow(node.get("flowName"), inputs, after)
        case "recordLookups":
            return Lookup(node.get("object"), tuple(_filter(each, "") for each in node.all("filters")), after)
        case "assignments":
            return _assignment(node, formulas, after)
    values = {each.get("field"): _value(each.one("value"), formulas) for each in node.all("inputAssignments")}
    if kind == "recordCreates":
        return CreateRecord(node.get("object"), values, after)
    if node.get("inputReference") != "$Record":
        raise Unreadable("The sandbox updates no other record than $Record")
    return UpdateRecord(values, after)


def _assignment(node: Node, formulas: dict[str, str], after: str) -> Assign:
    values = {}
    for item in node.all("assignmentItems"):
        if item.get("operator") != "Assign":
            raise Unreadable(f"The sandbox does not simulate the operator {item.get('operator')}")
        values[item.get("assignToReference")] = _value(item.one("value"), formulas)
    return Assign(values, after)


def _decision(node: Node) -> Decision:
    outcomes = []
    for rule in node.all("rules"):
        if rule.get("conditionLogic") not in ("", "and"):
            raise Unreadable("The sandbox knows only conditions that all have to hold")
        conditions = tuple(
            _condition(Reference(each.get("leftValueReference")), each, "rightValue")
            for each in rule.all("conditions")
        )
        outcomes.append((conditions, rule.get("connector", "targetReference")))
    return Decision(tuple(outcomes), node.get("defaultConnector", "targetReference"))


def _filter(node: Node, head: str) -> Condition:
    return _condition(Reference(head + node.get("field")), node, "value")


def _condition(left: Reference, node: Node, right: str) -> Condition:
    operator = node.get("operator")
    if operator not in OPERATORS:
        raise Unreadable(f"The sandbox does not simulate the operator {operator}")
    return Condition(left, operator, _value(node.one(right), {}))


def _value(node: Node, formulas: dict[str, str]) -> Value:
    """Return a literal or a reference; a formula is not worked out, but stands for its own text."""
    reference = node.get("elementReference")
    if reference in formulas:
        return formulas[reference][:255]
    if reference:
        return Reference(reference)
    for kind in LITERALS:
        if node.all(kind):
            text = node.get(kind)
            return text == "true" if kind == "booleanValue" else text
    return None
