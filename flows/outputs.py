"""
This module says what the steps of a flow give to those behind them, as paths a mapping line can read.

What steps give is a table by kind. Of a kind that is not in it, such as a package's, only the root is known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from connectors.stripe import schema as stripe
from connectors.stripe.operations import ACTS
from flows import handed, subjects
from flows.engine import contract
from flows.engine.definition import ERROR, FlowDocument, StepDefinition
from flows.handed import texts
from flows.mapping.fields import SObjField, SrcField
from flows.matching.objects import FIELDS
from flows.steps import soql

END = "@end"  # in place of a step: what is known when the last one is done
Describe = Callable[[str], Sequence[SObjField]]  # the fields of an object by its API name; none if unknown

# Salesforce type -> the type that a value of it has in paths. What is not named is a text.
TYPES: Mapping[str, str] = {
    "boolean": "boolean",
    "int": "integer",
    "long": "integer",
    "double": "number",
    "currency": "number",
    "percent": "number",
    "id": "id",
    "reference": "id",
    "picklist": "enum",
    "address": "object",
    "location": "object",
}


def nothing_known(_object: str) -> Sequence[SObjField]:
    """Describe no object."""
    return ()


@dataclass(frozen=True, slots=True)
class Before:
    """
    A step that a run has taken before, or may have: it stands in a branch that not every run takes.

    `elements` if the asking step stands in its body, `failed` if it stands behind its failure, `taken` if it
    came with the sub-flow that the step takes.
    """

    step: StepDefinition
    maybe: bool = False
    elements: bool = False
    failed: bool = False
    taken: bool = False


def steps_before(document: FlowDocument, step_id: str) -> list[Before]:
    """
    Return the steps whose outputs the step `step_id` can read, in the order in which they are taken.

    These are the steps before it in its own list and in the lists around it, with those in their branches.
    What is done for the elements of a list is not known behind it. `END` stands for the end of the flow.

    :raises LookupError: if the document has no such step
    """
    if step_id == END:
        return [one for step in document.steps for one in (Before(step), *_taken_inside(step))]
    found = _way_to(document.steps, step_id)
    if found is None:
        raise LookupError(f"The flow has no step {step_id}")
    return found


def _way_to(steps: Sequence[StepDefinition], step_id: str) -> list[Before] | None:
    before: list[Before] = []
    for step in steps:
        if step.id == step_id:
            return before
        for name, branch in step.exits.items():
            inner = _way_to(branch, step_id)
            if inner is not None:
                return [*before, *_at(step, name), *inner]
        before += [Before(step), *_taken_inside(step)]
    return None


def _at(step: StepDefinition, exit_name: str) -> list[Before]:
    """Return what is known at the first step behind an exit of `step`, or inside of it."""
    inside = step.kind in _INSIDE and exit_name not in _INSIDE[step.kind]
    own = Before(step, elements=_is_body(step, exit_name), failed=inside or exit_name == ERROR)
    if step.kind == contract.KIND and exit_name == contract.INSIDE:
        return [replace(own, taken=True)]
    if step.kind != "scope" or exit_name == "try":
        return [own]
    # Behind what is done together it is known; what is undone was done.
    together = step.exits.get("try", ())
    return [own, *(Before(one, maybe=exit_name != "done") for one in together)]


# Kinds with steps inside, which know nothing of what the step itself gives, and the exits behind them.
_INSIDE: Mapping[str, frozenset[str]] = {
    contract.KIND: frozenset({ERROR}),
    "parallel": frozenset({ERROR}),
    "scope": frozenset({"done", "compensated"}),
}


def _is_body(step: StepDefinition, exit_name: str) -> bool:
    """Tell whether the steps behind an exit are taken once for each element of a list."""
    return step.kind == "for_each" and exit_name != ERROR


def _taken_inside(step: StepDefinition) -> Iterator[Before]:
    """Yield the steps in the branches of a step: those that every run takes for certain, and the others."""
    for one in _within(step):
        certain = step.kind == "parallel" and any(
            one is other for name, branch in step.exits.items() if name != ERROR for other in branch
        )
        yield Before(one, maybe=not certain)


def _within(step: StepDefinition) -> Iterator[StepDefinition]:
    """Yield the steps in the branches of a step, top to bottom."""
    for name, branch in step.exits.items():
        apart = _is_body(step, name) or (step.kind == contract.KIND and name == contract.INSIDE)
        for inner in () if apart else branch:
            yield inner
            yield from _within(inner)


def step_fields(
    document: FlowDocument,
    step_id: str,
    *,
    sources: Sequence[SrcField] = (),
    describe: Describe = nothing_known,
) -> list[SrcField]:
    """
    Return what the step `step_id` can read of the steps before it.

    Roots are `steps.<id>` and, in the body of a for-each, the name of its element and `number`. `sources`
    are the fields of the events, in which the lists are found that are gone through; `describe` tells what
    is known of a Salesforce object.

    :raises LookupError: if the document has no such step
    """
    found: list[SrcField] = []
    for before in steps_before(document, step_id):
        step = before.step
        if before.elements:
            found += handed.element(step, [*sources, *found])
        elif before.taken:
            found += handed.inputs_of(step.settings.get("takes"))
        elif not before.failed:  # behind its failure a step has given nothing
            root = f"steps.{step.id}"
            gives = GIVES.get(step.kind, _something)
            found += [_below(root, one, maybe=before.maybe) for one in gives(step, describe)]
    return found


def _below(root: str, field: SrcField, *, maybe: bool) -> SrcField:
    return replace(
        field,
        path=f"{root}{field.path}",
        nullable=field.nullable or maybe,
        removed=f"{root}{field.removed}" if field.removed else "",
    )


# What each kind gives, below `steps.<id>`


def _something(step: StepDefinition, describe: Describe) -> Iterable[SrcField]:
    return [SrcField("", "unknown", desc=f"What “{step.title or step.id}” gives.", nullable=True)]


def _nothing(step: StepDefinition, describe: Describe) -> Iterable[SrcField]:
    return ()


def _plain(*fields: tuple[str, str, str]) -> Callable[[StepDefinition, Describe], Iterable[SrcField]]:
    """Return what gives the same whatever the settings: path, type and text of each field."""
    told = [SrcField(path, kind, desc=text) for path, kind, text in fields]

    def gives(step: StepDefinition, describe: Describe) -> Iterable[SrcField]:
        return told

    return gives


def of_record(name: str, field: SObjField | None, prefix: str) -> SrcField:
    """Return a field of a Salesforce record as a path below `prefix` reads it."""
    path = f"{prefix}.{name}"
    if field is None:
        return SrcField(path, "unknown", nullable=True)
    return SrcField(
        path,
        TYPES.get(field.type, "string"),
        desc=field.label,
        values=tuple(pick.value for pick in field.picklist if pick.active),
        nullable=field.nillable,
    )


def _record(
    names: Iterable[str], target: str, describe: Describe, prefix: str = ".record"
) -> Iterator[SrcField]:
    known = {field.name.casefold(): field for field in describe(target)} if target else {}
    for name in dict.fromkeys(names):
        yield of_record(name, known.get(name.casefold()), prefix)


def _map(step: StepDefinition, describe: Describe) -> Iterable[SrcField]:
    lines = step.settings.get("lines")
    names = (
        [line.get("field") for line in lines if isinstance(line, Mapping)] if isinstance(lines, list) else []
    )
    # A look-up by external id is a record of its own in what a map step gives: it cannot be read further.
    plain = [name for name in names if isinstance(name, str) and "." not in name]
    return _record(plain, str(step.settings.get("target") or ""), describe, prefix="")


def _find(step: StepDefinition, describe: Describe) -> Iterable[SrcField]:
    yield SrcField(".id", "id", desc="The id of the record that was found.", nullable=True)
    yield SrcField(".by", "string", desc="The way by which it was found.", nullable=True)
    names = ["Id", *texts(step.settings.get("fields")), *texts(step.settings.get("shows", ["Name"]))]
    yield SrcField(".record", "object", desc="The record that was found.", nullable=True)
    yield from _record(names, str(step.settings.get("object") or ""), describe)


def _recognised(step: StepDefinition, describe: Describe) -> Iterable[SrcField]:
    yield SrcField(".id", "id", desc="The id of the record that the customer is.", nullable=True)
    yield SrcField(".by", "string", desc="By what it is known.", nullable=True)
    target, keys = str(step.settings.get("object") or ""), step.settings.get("keys") or ()
    names = ["Id", *FIELDS.get(target, {}).values(), *texts(step.settings.get("fields"))]
    names += texts([key.get("field") for key in keys if isinstance(key, dict)])
    yield from _record(list(dict.fromkeys(names)), target, describe)


def _query(step: StepDefinition, describe: Describe) -> Iterable[SrcField]:
    query = str(step.settings.get("soql") or "")
    yield SrcField(".id", "id", desc="The id of the first record that was found.", nullable=True)
    yield SrcField(".count", "integer", desc="How many records were found.")
    yield SrcField(".record", "object", desc="The first record that was found.", nullable=True)
    target = soql.object_of(query)
    known = {field.name.casefold(): field.name for field in describe(target)} if target else {}
    names = [known.get(name, name) for name in sorted(soql.selected(query)) if name]
    yield from _record(names, target, describe)
    yield SrcField(".records", "list", desc="All records that were found.")
    yield from _record(names, target, describe, prefix=".records[0]")


def _retrieve(step: StepDefinition, describe: Describe) -> Iterable[SrcField]:
    kind, expand = str(step.settings.get("type") or ""), tuple(texts(step.settings.get("expand")))
    yield SrcField("", "object", desc=f"The {kind.replace('_', ' ')} that was read.", nullable=True)
    try:
        fields = stripe.fields_of(kind, expand)
    except stripe.NoSuchObject:
        return
    yield from (of_stripe(field, "") for field in fields)


def _found_in_stripe(step: StepDefinition, describe: Describe) -> Iterable[SrcField]:
    kind = str(step.settings.get("object") or "")
    yield SrcField(".id", "id", desc="The id of the object that was found.", nullable=True)
    yield SrcField(".object", "object", desc="The object that was found.", nullable=True)
    yield from _of_kind(kind, ".object")


def _listed(step: StepDefinition, describe: Describe) -> Iterable[SrcField]:
    target = str(step.settings.get("object") or "")
    names = ["Id", *texts(step.settings.get("fields", ["Name"]))]
    yield SrcField(".id", "id", desc="The id of the first record.", nullable=True)
    yield SrcField(".count", "integer", desc="How many records there are.")
    yield SrcField(".record", "object", desc="The first record.", nullable=True)
    yield from _record(names, target, describe)
    yield SrcField(".records", "list", desc="The records, for a step that takes each of them.")
    yield from _record(names, target, describe, prefix=".records[0]")


def _listed_in_stripe(step: StepDefinition, describe: Describe) -> Iterable[SrcField]:
    kind = str(step.settings.get("object") or "")
    yield SrcField(".id", "id", desc="The id of the first object.", nullable=True)
    yield SrcField(".count", "integer", desc="How many objects there are.")
    yield SrcField(".object", "object", desc="The first object, which is the newest.", nullable=True)
    yield from _of_kind(kind, ".object")
    yield SrcField(".objects", "list", desc="The objects, for a step that takes each of them.")
    yield from _of_kind(kind, ".objects[0]")


def _created_in_stripe(step: StepDefinition, describe: Describe) -> Iterable[SrcField]:
    yield SrcField(".before", "boolean", desc="Whether it had been created before.")
    yield from _of_kind(str(step.settings.get("object") or ""), "")


def _done_in_stripe(step: StepDefinition, describe: Describe) -> Iterable[SrcField]:
    yield SrcField(".before", "boolean", desc="Whether it had been done before.")
    act = ACTS.get(str(step.settings.get("act")))
    yield from _of_kind(act.type if act is not None else "", "")


def _awaited(step: StepDefinition, describe: Describe) -> Iterable[SrcField]:
    yield SrcField(".id", "id", desc="The id of the event that came.", nullable=True)
    yield SrcField(".type", "string", desc="The type of the event that came.", nullable=True)
    yield SrcField(".object", "object", desc="The object of the event that came.", nullable=True)
    kinds = {subjects.object_of(kind) for kind in texts(step.settings.get("types"))}
    if len(kinds) == 1 and step.settings.get("system", "stripe") == "stripe":
        yield from (replace(field, nullable=True) for field in _of_kind(kinds.pop(), ".object"))


def _given_by_sub_flow(step: StepDefinition, describe: Describe) -> Iterable[SrcField]:
    return handed.outputs_of(step)


def _of_kind(kind: str, root: str) -> Iterable[SrcField]:
    try:
        return [of_stripe(field, root) for field in stripe.fields_of(kind)]
    except stripe.NoSuchObject:
        return ()


def of_stripe(field: stripe.StripeField, root: str) -> SrcField:
    """Return a field of a Stripe object as a path below `root` reads it."""
    return SrcField(
        f"{root}.{field.path}",
        field.type,
        desc=field.text,
        values=field.values,
        nullable=field.nullable,
        removed=f"{root}.{field.removed}" if field.removed else "",
    )


GIVES: Mapping[str, Callable[[StepDefinition, Describe], Iterable[SrcField]]] = {
    "map": _map,
    "salesforce.find": _find,
    "salesforce.query": _query,
    "salesforce.recognise": _recognised,
    "salesforce.list": _listed,
    "stripe.list": _listed_in_stripe,
    "stripe.retrieve": _retrieve,
    "stripe.find": _found_in_stripe,
    "stripe.create": _created_in_stripe,
    "stripe.update": _plain((".id", "id", "The id of the object.")),
    "stripe.act": _done_in_stripe,
    "salesforce.upsert": _plain(
        (".id", "id", "The id of the record."),
        (".external_id", "string", "The external id of the record."),
        (".created", "boolean", "Whether the record is new."),
    ),
    "salesforce.update": _plain((".id", "id", "The id of the record.")),
    "salesforce.create": _plain(
        (".id", "id", "The id of the record."),
        (".before", "boolean", "Whether it had been created before."),
    ),
    "salesforce.start_flow": _plain(
        (".outputs", "map", "The output variables of the Flow."),
        (".status", "string", "How the Flow ended."),
        (".before", "boolean", "Whether it had been started before."),
    ),
    "salesforce.publish": _plain(
        (".id", "id", "The id of the event."),
        (".before", "boolean", "Whether it had been published before."),
    ),
    "currency.convert": _plain(
        (".amount", "amount", "The amount in the other currency, in minor units."),
        (".currency", "currency", "The currency that it was converted into."),
        (".rate", "number", "The rate."),
        (".rate_day", "string", "The day of the rate, such as 2026-11-29."),
        (".source", "string", "Where the rate comes from."),
    ),
    "ask": _plain((".answer", "string", "What the person answered.")),
    "approval": _plain(
        (".answer", "string", "What was decided: approved, declined or expired."),
        (".by", "string", "Who decided."),
        (".comment", "string", "What the person said."),
        (".at", "string", "When it was decided."),
    ),
    "throttle": _plain((".waited", "boolean", "Whether the run had to wait for its turn.")),
    "debounce": _plain((".runs", "integer", "How many runs came, with this one, of which it was the last.")),
    "wait": _plain((".waited_until", "string", "When the waiting was over.")),
    "wait_for_event": _awaited,
    "alert": _plain((".title", "string", "The title of the alert."), (".text", "string", "Its text.")),
    "for_each": _plain((".count", "integer", "How many elements there were.")),
    "parallel": _plain((".branches", "list", "The branches that were taken.")),
    "scope": _plain(
        (".undone", "list", "What was undone, the last first."),
        (".error", "object", "The failure for which it was undone."),
    ),
    contract.KIND: _given_by_sub_flow,
    "condition": _nothing,
    "switch": _nothing,
    "filter": _nothing,
    "stop": _nothing,
}
