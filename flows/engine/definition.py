"""This module reads flow documents and refuses bad ones in plain words."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from flows.engine import contract
from flows.engine.kind import Earlier, Kind
from flows.engine.trigger import KINDS, AnyTrigger, SubFlowTrigger
from integrator.kernel import canonical

SLOTS = frozenset({"stripe", "salesforce"})
ERROR = "error"  # the exit behind which the steps stand that handle a step's failure
MOST_STEPS = 200
DEEPEST = 12
LARGEST = 512 * 1024
_DEEPEST_JSON = 100  # far above any document, far below what exhausts the stack


class StepDefinition(BaseModel):
    """One step of the flow, with the steps behind each of its exits."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(
        pattern=r"^[a-z0-9_]{1,60}$", description="Names the step in paths; it survives versions."
    )
    kind: str = Field(description="The step kind.")
    title: str = Field(default="", max_length=120, description="What people call the step.")
    settings: dict[str, Any] = Field(default={}, description="The kind's settings.")
    exits: dict[str, list[StepDefinition]] = Field(default={}, description="Steps behind each exit.")


class FlowDocument(BaseModel):
    """A flow: what starts it, and a tree of steps. After a branch the run goes on behind it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1] = Field(description="The version of this format.")
    name: str = Field(min_length=1, max_length=100, description="What people call the flow.")
    description: str = Field(default="", max_length=1000, description="What the flow is for.")
    trigger: AnyTrigger = Field(description="What starts the flow.")
    steps: list[StepDefinition] = Field(min_length=1, description="The steps, in order.")
    layout: dict[str, Any] = Field(
        default={}, description="Where an editor draws the steps; it means nothing."
    )


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a document, and where."""

    message: str
    step: str = ""  # the step's id, where a step is at fault
    field: str = ""

    def __str__(self) -> str:
        where = ", ".join(part for part in (self.step and f"step {self.step}", self.field) if part)
        return f"{where}: {self.message}" if where else self.message


class InvalidDocument(ValueError):
    """The flow document cannot be run."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("; ".join(map(str, problems)))
        self.problems = problems


def load(raw: bytes | str | Mapping[str, Any], *, kinds: Mapping[str, Kind]) -> FlowDocument:
    """
    Return the flow document in `raw`, checked against the settings of `kinds`.

    :raises InvalidDocument: if it cannot be run; its `problems` name step and field
    """
    plain = _plain(raw)
    try:
        document = FlowDocument.model_validate(plain)
    except ValidationError as error:
        raise InvalidDocument(_in_plain_words(error, plain)) from None
    problems = [*_check_shape(document), *_check_steps(document.steps, kinds, {})]
    if problems:
        raise InvalidDocument(problems)
    return document


def branches_of(kind: Kind, settings: Any) -> tuple[str, ...]:
    """
    Return the exits of a step behind which steps may stand.

    What follows a step with one exit stands behind it in the list; one way to say it is enough.
    """
    exits = kind.exits_of(settings)
    branches = exits if len(exits) > 1 else ()
    bodies = kind.bodies_of(settings)
    # What stands inside comes first, where it is not done for each element.
    ways = (*branches, *bodies) if kind.body else (*bodies, *branches)
    return (*ways, *((ERROR,) if kind.can_fail else ()))


def bodies_in(kind: Kind, settings: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the exits whose steps stand inside of a step, whose settings may be unfinished."""
    if not kind.inside:
        return ()
    try:
        return kind.bodies_of(kind.settings_model.model_validate(settings))
    except ValidationError:
        return (kind.body,) if kind.body else ()


def content_hash(document: FlowDocument) -> str:
    """Return the SHA-256 of what the document does: titles and layout do not count."""
    content = document.model_dump(mode="json", exclude_defaults=True)
    content.pop("layout", None)
    _forget_titles(content["steps"])
    return canonical.fingerprint(content)


def json_schema(kinds: Mapping[str, Kind]) -> dict[str, Any]:
    """Return the JSON Schema of flow documents, with one kind of step for each of `kinds`."""
    schema = FlowDocument.model_json_schema()
    definitions = schema["$defs"]
    step = definitions.pop("StepDefinition")
    variants = []
    for slug, kind in sorted(kinds.items()):
        settings = kind.settings_model.model_json_schema(ref_template="#/$defs/{model}")
        definitions.update(settings.pop("$defs", {}))
        properties = {**step["properties"], "kind": {"const": slug}, "settings": settings}
        variants.append({**step, "title": kind.label, "properties": properties})
    definitions["StepDefinition"] = {"oneOf": variants}
    return schema


def walk(steps: list[StepDefinition], depth: int = 1) -> Iterator[tuple[StepDefinition, int]]:
    """Yield every step of the tree, top to bottom, with how deep it stands."""
    for step in steps:
        yield step, depth
        for branch in step.exits.values():
            yield from walk(branch, depth + 1)


def _plain(raw: bytes | str | Mapping[str, Any]) -> Any:
    try:
        text = canonical.dumps(raw) if isinstance(raw, Mapping) else raw
        if len(text) > LARGEST:
            raise InvalidDocument([Problem(f"The document is larger than {LARGEST // 1024} KiB")])
        plain = json.loads(text)
        canonical.dumps(plain)  # refuses NaN and infinity, which Python's parser lets through
    except (ValueError, TypeError, RecursionError) as error:
        if isinstance(error, InvalidDocument):
            raise
        raise InvalidDocument([Problem("The document is not JSON that can be read")]) from None
    level = [plain]
    for _ in range(_DEEPEST_JSON):
        level = [part for value in level for part in _parts(value)]
        if not level:
            return plain
    raise InvalidDocument([Problem("The document is nested too deeply")])


def _parts(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def _in_plain_words(error: ValidationError, plain: Any) -> list[Problem]:
    problems = []
    for detail in error.errors(include_url=False, include_context=False, include_input=False):
        step, value, rest = "", plain, list(detail["loc"])
        if rest[:1] == ["trigger"]:
            problems.append(_problem_of_trigger(detail["type"], detail["msg"], rest))
            continue
        for place, key in enumerate(detail["loc"]):
            value = _child(value, key)
            if isinstance(value, dict) and isinstance(key, int) and detail["loc"][place - 1] != "lines":
                step = str(value.get("id", f"number {key + 1}"))
                rest = list(detail["loc"][place + 1 :])
        problems.append(Problem(_told(detail["type"], detail["msg"], rest), step, _place(rest)))
    return problems


def _problem_of_trigger(kind: str, text: str, location: list[Any]) -> Problem:
    """Return what is wrong with the trigger; its kind, by which its settings are known, is no place in it."""
    if kind == "union_tag_not_found":
        return Problem(_MESSAGES["missing"], field="trigger, kind")
    if kind == "union_tag_invalid":
        return Problem(f"There is no such kind of trigger; use {', '.join(KINDS)}", field="trigger, kind")
    rest = [part for place, part in enumerate(location) if place != 1 or part not in KINDS]
    is_field = kind == _PATTERN and "fields" in rest
    return Problem(_API_NAME if is_field else _told(kind, text, rest), field=_place(rest))


def _told(kind: str, text: str, location: list[Any]) -> str:
    form = _FORMS.get(location[-1] if location else "") if kind == _PATTERN else None
    return form or _message(kind, text)


def _child(value: Any, key: Any) -> Any:
    try:
        return value[key]
    except (KeyError, IndexError, TypeError):
        return None


_MESSAGES = {
    "missing": "This is required",
    "string_too_short": "This is required",  # none of our texts has to be longer than one character
    "extra_forbidden": "This setting does not exist",
    "string_pattern_mismatch": "This is not written as it has to be",
}
_PATTERN = "string_pattern_mismatch"
_API_NAME = "Use the API name: letters, digits and underscores"
_FORMS: dict[Any, str] = {
    "id": "Use 1 to 60 small letters, digits and underscores",
    "object": _API_NAME,
    "external_id": _API_NAME,
    "field": _API_NAME,
    "target": _API_NAME,
    "flow": _API_NAME,
    "event": "Use the API name of a platform event, which ends with __e",
    "exit": "Use 1 to 40 small letters, digits and underscores",
}


def _message(kind: str, text: str) -> str:
    return _MESSAGES.get(kind, text.removeprefix("Value error, "))


def _place(location: list[Any]) -> str:
    """Turn ("lines", 0, "chips", 1, "money", "currency") into words a person counts in."""
    words: list[str] = []
    for part in location:
        if isinstance(part, int) and words:
            words[-1] = f"{words[-1].removesuffix('s')} {part + 1}"
        else:
            words.append(str(part))
    return ", ".join(words)


def _check_shape(document: FlowDocument) -> list[Problem]:
    problems, seen = [], set()
    steps = list(walk(document.steps))
    if len(steps) > MOST_STEPS:
        taken = " with those of its sub-flows" if any(one.kind == contract.KIND for one, _ in steps) else ""
        problems.append(Problem(f"A flow has at most {MOST_STEPS} steps, this one has {len(steps)}{taken}"))
    if max(depth for _, depth in steps) > DEEPEST:
        problems.append(Problem(f"Steps may stand at most {DEEPEST} deep"))
    for step, _ in steps:
        if step.id in seen:
            problems.append(Problem("Another step has the same id", step.id))
        seen.add(step.id)
    problems += [
        Problem(f"{event} is read anew but does not start the flow", field="trigger, fetch")
        for event in document.trigger.fetch
        if event not in document.trigger.types
    ]
    if isinstance(document.trigger, SubFlowTrigger):
        problems += [
            Problem(f"{name} reads of the step {step}, which the flow does not have", field=_OUTPUTS)
            for step, name in contract.mentioned(document.trigger.outputs)
            if step not in seen
        ]
    return problems


_OUTPUTS = "trigger, outputs"


def _check_steps(
    steps: list[StepDefinition], kinds: Mapping[str, Kind], before: Mapping[str, Earlier]
) -> list[Problem]:
    """Check `steps` in order; a step may rely on those before it, never on one inside of another branch."""
    return _check_line(steps, kinds, dict(before))


def _check_line(
    steps: list[StepDefinition], kinds: Mapping[str, Kind], earlier: dict[str, Earlier]
) -> list[Problem]:
    """Check `steps` in order, and add those to `earlier` that every run has taken behind them."""
    problems = []
    for step in steps:
        kind = kinds.get(step.kind)
        if kind is None:
            problems.append(Problem(f"There is no step kind {step.kind}", step.id, "kind"))
            continue
        known = dict(earlier)
        problems += _check_step(step, kind, earlier)
        problems += _check_exits(step, kind, kinds, known, earlier)
    return problems


def _check_exits(
    step: StepDefinition,
    kind: Kind,
    kinds: Mapping[str, Kind],
    known: Mapping[str, Earlier],
    earlier: dict[str, Earlier],
) -> list[Problem]:
    """Check the steps behind the exits of `step` and inside of it; `known` stand before it."""
    problems: list[Problem] = []
    bodies = bodies_in(kind, step.settings)
    inside: dict[str, Earlier] = {}  # what every run has taken that went through the step
    for name in bodies:
        # What is undone was done before; branches know nothing of each other.
        taken = {**earlier, **inside} if kind.inside == "undoing" else dict(earlier)
        problems += _check_line(step.exits.get(name, []), kinds, taken)
        if kind.inside == "branches" or name == bodies[0]:
            inside |= taken
    for name, branch in step.exits.items():
        if name not in bodies:
            # Behind a failure the step's own output is not there.
            before = known if name == ERROR else {**earlier, **(inside if kind.inside == "undoing" else {})}
            problems += _check_steps(branch, kinds, before)
    if kind.inside == "branches":
        earlier |= inside
    return problems


def _check_step(step: StepDefinition, kind: Kind, earlier: dict[str, Earlier]) -> list[Problem]:
    """Check one step on its own, and add it to `earlier` if it is sound."""
    try:
        settings = kind.settings_model.model_validate(step.settings)
    except ValidationError as error:
        details = _in_plain_words(error, None)  # within settings no element is a step
        return [Problem(found.message, step.id, found.field) for found in details]
    branches = branches_of(kind, settings)
    problems = [
        Problem(
            f"{kind.label} has no exit {name} for steps; it has {', '.join(branches) or 'none'}",
            step.id,
            "exits",
        )
        for name in step.exits
        if name not in branches
    ]
    slot = getattr(settings, "slot", None)
    if slot is not None and slot not in SLOTS:
        problems.append(Problem(f"There is no slot {slot}; use stripe or salesforce", step.id, "slot"))
    problems += [Problem(message, step.id, place) for place, message in kind.check(settings, earlier)]
    earlier[step.id] = Earlier(step.kind, settings)
    return problems


def _forget_titles(steps: list[dict[str, Any]]) -> None:
    for step in steps:
        step.pop("title", None)
        for branch in step.get("exits", {}).values():
            _forget_titles(branch)
