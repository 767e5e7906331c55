"""This module tells the administrators something."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from flows.engine.item import Item, Note
from flows.engine.kind import Answer, Nature, Step
from flows.engine.once import HISTORY
from flows.engine.outcome import Done
from flows.engine.ports import Ports
from flows.mapping.template import Template, compile_template
from flows.mapping.widgets import shown
from flows.steps.base import StepKind
from integrator.kernel import canonical

_LONGEST_TITLE = 200
_TOLD = "told"  # under this name a run keeps what it has told already


class AlertSettings(BaseModel):
    """What the administrators are told, and how urgent it is."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    severity: Literal["info", "warning", "critical"] = Field(
        json_schema_extra=shown("Urgency", words={"info": "For information"}),
        default="warning",
        description="How urgent it is.",
    )
    title: Template = Field(
        json_schema_extra=shown("What happened", offers="places"),
        min_length=1,
        description="One line that says what happened, with places such as {charge.id} for values.",
    )
    text: Template = Field(
        json_schema_extra=shown("Details", offers="places"),
        default="",
        description="What else there is to know, with places for values.",
    )


class Alert(StepKind):
    """Tell the administrators something, once for each event or state of a record; nothing of long ago."""

    slug: ClassVar[str] = "alert"
    label: ClassVar[str] = "Alert"
    settings_model = AlertSettings
    nature: ClassVar[Nature] = "effect"
    can_fail: ClassVar[bool] = False

    def compile(self, step_id: str, settings: Any) -> Step:
        """Return the alert as a function over a batch."""
        title, text = compile_template(settings.title), compile_template(settings.text)

        def tell(item: Item) -> Answer:
            if item.history and not item.insisted:
                return Done({"skipped": HISTORY}, effect="skipped")
            said = " ".join(title(item.context).text.split())[:_LONGEST_TITLE], text(item.context).text
            # Nothing of the try is in the key, so that however often the event is handled it is told once.
            note = Note(
                key=f"alert:{item.key(step_id)}:{_occasion(item, step_id, said)}",
                kind="flow_alert",
                severity=settings.severity,
                title=said[0],
                text=said[1],
            )
            if note.key not in {known.key for known in item.notes}:
                item.notes.append(note)
            return Done({"severity": note.severity, "title": note.title, "text": note.text})

        def step(batch: Sequence[Item], ports: Ports) -> list[Answer]:
            return [tell(item) for item in batch]

        return step


def _occasion(item: Item, step_id: str, said: tuple[str, str]) -> str:
    """
    Return what the alert is given once for: the event, or the state in which it found its record.

    Stamps of records have whole seconds, so that two states may share one: what is said tells them apart.
    A run that is tried again goes by what it found first, though it may have changed the record itself.
    """
    if not (item.event.record_id and item.source.fetched):
        return item.event.id
    known = item.recall(step_id, _TOLD)
    if isinstance(known, str):
        return known
    state = canonical.fingerprint([item.source.not_after.isoformat(), *said])
    occasion = f"{item.event.record_id}@{state[:32]}"
    item.keep(step_id, _TOLD, occasion)
    return occasion
