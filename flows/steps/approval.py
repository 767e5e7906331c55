"""This module has people approve what a flow is about to do, or decline it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from flows.engine.approving import APPROVED, DECLINED, EXPIRED, Comment, Terms
from flows.engine.item import Item
from flows.engine.kind import Answer, Nature, Step
from flows.engine.outcome import AskHuman, Done, End, Option
from flows.engine.ports import Ports
from flows.mapping.reading import Paths, first_of
from flows.mapping.template import Template, compile_template
from flows.mapping.widgets import shown
from flows.steps.base import StepKind
from flows.steps.ids import id_in
from integrator.kernel import canonical

_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+")
_ADDRESSES = re.compile(r"[^@\s<>,;:\"']+@[^@\s<>,;:\"']+")
_LONGEST = 254  # of an address, as people have them
_OPTIONS = (Option(APPROVED, "Approve"), Option(DECLINED, "Decline"))
_CHANGED = "What was approved has changed since. "


def _is_an_address(text: str) -> str:
    if _ADDRESS.fullmatch(text) is None or len(text) > _LONGEST:
        raise ValueError("This is no e-mail address")
    return text


Person = Annotated[str, StringConstraints(strip_whitespace=True), AfterValidator(_is_an_address)]


class ApprovalSettings(BaseModel):
    """What is to be approved, by whom, and until when."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    question: Template = Field(
        json_schema_extra=shown("What is to be approved", offers="places"),
        min_length=1,
        description="The question, with places such as {charge.id} for values.",
    )
    evidence: Paths = Field(
        json_schema_extra=shown("Shown beside it", offers="paths", add="Add a value"),
        default=[],
        description="Values that are shown beside the question, and that the approval is about.",
    )
    role: Literal["approver", "operator", "finance", "designer", "admin", "nobody"] = Field(
        json_schema_extra=shown(
            "Asked are people of the role",
            words={"admin": "Administrator", "nobody": "None, only those named below"},
        ),
        default="approver",
        description="Who may decide. Administrators may stand in for every role.",
    )
    people: list[Person] = Field(
        json_schema_extra=shown("And these people", add="Add a person"),
        default=[],
        max_length=20,
        description="E-mail addresses of people who may decide whatever their role.",
    )
    four_eyes: bool = Field(
        json_schema_extra=shown("Nobody approves what they caused"),
        default=True,
        description="Whether the person who caused it may not approve it, as far as that is known.",
    )
    caused_by: Paths = Field(
        json_schema_extra=shown("Caused by", offers="paths", add="Add a fallback"),
        default=[],
        description="Where the e-mail address of that person is read, such as that of a record's owner.",
    )
    comment: Comment = Field(
        json_schema_extra=shown(
            "A reason is needed",
            words={"never": "Never", "declining": "To decline", "always": "Always"},
        ),
        default="declining",
        description="When the person has to say why.",
    )
    otherwise: Literal["end", "exit"] = Field(
        json_schema_extra=shown(
            "If it is not approved",
            words={"end": "The run ends", "exit": "The run goes another way"},
        ),
        default="end",
        description="What happens if it is declined, or if nobody decides in time: the run ends, or goes "
        "another way (declined, expired).",
    )
    remind_hours: int = Field(
        json_schema_extra=shown("Reminder after (hours)"),
        default=24,
        ge=0,
        le=24 * 60,
        description="When the administrators are told that it still waits; 0 for never.",
    )
    expires_hours: int = Field(
        json_schema_extra=shown("Expires after (hours)"),
        default=0,
        ge=0,
        le=24 * 366,
        description="After how long it counts as not approved; 0 for never.",
    )
    again_if_changed: bool = Field(
        json_schema_extra=shown("Ask again if what is shown has changed", more=True),
        default=True,
        description="Whether an approval holds only for the values that were shown. The object is read again "
        "when the run goes on.",
    )

    @model_validator(mode="after")
    def _asks_somebody(self) -> ApprovalSettings:
        if self.role == "nobody" and not self.people:
            raise ValueError("Say who may decide: a role, or people by their e-mail addresses")
        if self.expires_hours and self.remind_hours >= self.expires_hours:
            raise ValueError("A reminder comes before it expires")
        return self


class Approval(StepKind):
    """Let people approve or decline; the run goes on only if they approve."""

    slug: ClassVar[str] = "approval"
    label: ClassVar[str] = "Approval"
    exits: ClassVar[tuple[str, ...]] = (APPROVED,)
    settings_model = ApprovalSettings
    nature: ClassVar[Nature] = "asks"
    can_fail: ClassVar[bool] = False

    def exits_of(self, settings: Any) -> tuple[str, ...]:
        """Return the exits: where the run ends without an approval, there is one way to go on."""
        if settings.otherwise == "end":
            return (APPROVED,)
        return (APPROVED, DECLINED, EXPIRED) if settings.expires_hours else (APPROVED, DECLINED)

    def compile(self, step_id: str, settings: Any) -> Step:
        """Return the question as a function over a batch."""
        asking = _Asking(step_id, settings)

        def step(batch: Sequence[Item], ports: Ports) -> list[Answer]:
            now = ports.now()
            return [asking.take(item, now) for item in batch]

        return step


class _Asking:
    """One step that asks for approvals."""

    def __init__(self, step_id: str, settings: ApprovalSettings) -> None:
        self._step = step_id
        self._settings = settings
        self._render = compile_template(settings.question)
        self._shown = [(path, first_of([path])) for path in settings.evidence]
        self._causes = [first_of([path]) for path in settings.caused_by] if settings.four_eyes else []

    def take(self, item: Item, now: datetime) -> Answer:
        """Return what becomes of a run: it asks, or goes on as was answered."""
        question = self._render(item.context).text
        evidence = {path: read(item.context) for path, read in self._shown}
        about = canonical.fingerprint([question, [_plain(value) for value in evidence.values()]])
        answer, known = item.recall(self._step, "answer"), item.recall(self._step, "about")
        if answer == APPROVED and self._settings.again_if_changed and known not in (None, about):
            return self._ask(item, f"{_CHANGED}{question}", evidence, about, now)
        if answer in (APPROVED, DECLINED, EXPIRED):
            return self._answered(item, answer)
        return self._ask(item, question, evidence, about, now)

    def _ask(
        self, item: Item, question: str, evidence: dict[str, Any], about: str, now: datetime
    ) -> AskHuman:
        settings = self._settings
        item.keep(self._step, "about", about)
        terms = Terms(
            role="" if settings.role == "nobody" else settings.role,
            people=settings.people,
            causes=[who for cause in self._causes for who in _people_in(cause(item.context))],
            comment=settings.comment,
            remind_at=now + timedelta(hours=settings.remind_hours) if settings.remind_hours else None,
            expires_at=now + timedelta(hours=settings.expires_hours) if settings.expires_hours else None,
        )
        return AskHuman(question, kind="approval", options=_OPTIONS, evidence=evidence, terms=terms)

    def _answered(self, item: Item, answer: str) -> Answer:
        said = {name: item.recall(self._step, name) for name in ("by", "comment", "at")}
        if answer == APPROVED or self._settings.otherwise == "exit":
            return Done({"answer": answer, **said}, exit=answer)
        if answer == EXPIRED:
            return End("ignored", "Nobody approved it in time")
        comment = f": {said['comment']}" if said["comment"] else ""
        return End("ignored", f"Declined by {said['by'] or 'a person'}{comment}")


def _people_in(value: Any) -> list[str]:
    """Return whom a value names: addresses, whatever stands around them, or else what it says."""
    texts = [one for one in (value if isinstance(value, list) else [value]) if isinstance(one, str)]
    return [who for text in texts for who in _ADDRESSES.findall(text) or [text.strip()] if who]


def _plain(value: Any) -> Any:
    """Return what is compared of a value: of an object its id, for it may stand in the place of that."""
    found = id_in(value) or value
    try:
        canonical.dumps(found)
    except (TypeError, ValueError):
        return repr(found)
    return found
