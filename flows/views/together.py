"""This module says whether of several waiting events of one object the newest does the work of all."""

from __future__ import annotations

from collections.abc import Iterator

from flows import plans
from flows.engine.plan import Line, Node, inner_nodes
from flows.models import FlowVersion

NEWEST = (
    "Of several waiting events of one object only the newest is written to the object’s own record. "
    "The others count as superseded."
)
# Why a step has to see every event, by its nature; a step of any other nature saves or reads a state.
REASONS = {
    "decides": "“{title}” goes by what each of them says",
    "asks": "“{title}” asks a person or waits",
    "effect": "“{title}” must happen once for each",
    "creates": "“{title}” must happen once",
}
APART = "“{title}” leads one way or another"
WEIGHS = "who changed what counts where both sides may change a record"


def told(version: FlowVersion) -> str:
    """Return it as a sentence; nothing if the version cannot be run by this installation."""
    try:
        plan = plans.compiled(version.pk, version.content_hash)
    except plans.Unrunnable:
        return ""
    if plan.collapses:
        return NEWEST
    why = dict.fromkeys([*([WEIGHS] if plan.weighs_changes else []), *_reasons(plan.nodes)])
    first, *others = [*why][:2] or [""]
    because = f", because {first}{' and ' + others[0] if others else ''}" if first else ""
    return f"Every event is handled, also where several of one object wait{because}."


def _reasons(line: Line) -> Iterator[str]:
    """Yield why every event counts, one reason for each nature."""
    seen: set[str] = set()
    for node in _every(line):
        if node.nature in REASONS and node.nature not in seen:
            seen.add(node.nature)
            yield REASONS[node.nature].replace("{title}", node.title)
        elif node.leads_apart:
            yield APART.replace("{title}", node.title)


def _every(line: Line) -> Iterator[Node]:
    for node in line:
        yield node
        yield from inner_nodes(node)
