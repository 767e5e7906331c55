"""This module holds what was changed for runs that had failed, and the fixes that are kept for others."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar

import msgspec
from django.db import models

from flows.engine.edits import ABSENT, EXACT, Change, Edit
from flows.mapping.mending import Fix
from flows.models.design import Flow, Pair
from flows.models.runs import Run
from integrator import vault
from integrator.accounts.models import public_id

LONGEST_PATH = 200  # of what is told about one place
_DECODER = msgspec.json.Decoder(float_hook=Decimal)  # fractions as events have them


class SavedFix(models.Model):
    """
    An approval that is kept: it is applied to the next runs of a flow that fail of the same cause.

    It never gets more than `AT_MOST` records an hour: then it pauses, and somebody is told.
    """

    AT_MOST: ClassVar[int] = 100  # records an hour

    public_id = models.CharField(max_length=24, unique=True, default=public_id, editable=False)
    pair = models.ForeignKey(Pair, on_delete=models.PROTECT, related_name="saved_fixes")
    flow = models.ForeignKey(Flow, on_delete=models.PROTECT, related_name="saved_fixes")
    code = models.CharField(max_length=100, help_text="Of the failures that it is for.")
    field = models.CharField(max_length=100, help_text="That the failures name.")
    action = models.CharField(max_length=40, help_text="Of flows.error_catalogue.")
    content = models.BinaryField(help_text="JSON of flows.mapping.mending.Fix, encrypted.")
    enabled = models.BooleanField(default=True)
    paused_at = models.DateTimeField(null=True, help_text="When it had been applied too often in an hour.")
    created_by = models.CharField(max_length=254)
    created_at = models.DateTimeField()
    uses = models.PositiveIntegerField(default=0)
    last_used_at = models.DateTimeField(null=True)
    hour = models.DateTimeField(null=True, help_text="When the hour began that `uses_in_hour` counts.")
    uses_in_hour = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ("-id",)
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["pair", "flow"], condition=models.Q(enabled=True), name="fix_in_force")
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.field}"

    @property
    def fix(self) -> Fix:
        """
        Return what it does.

        :raises vault.Unreadable: if the key of it is lost
        """
        opened = vault.unseal(self.content, owner=f"fix:{self.pair_id}")
        return msgspec.json.decode(opened, type=Fix)

    # Mutators

    def keep(self, fix: Fix) -> None:
        """Take `fix` as what it does; the caller saves it."""
        self.content = vault.seal(msgspec.json.encode(fix), owner=f"fix:{self.pair_id}")

    def switch(self, *, on: bool, now: datetime) -> None:
        """Apply it from now on, or no more; what had paused it counts no more then."""
        self.enabled, self.paused_at, self.hour, self.uses_in_hour = on, None, now, 0
        self.save(update_fields=["enabled", "paused_at", "hour", "uses_in_hour"])


class Mending(models.Model):
    """What one person, or a saved fix, has changed for one run: its event's object, or a value it writes."""

    class Kind(models.TextChoices):
        EDIT = "edit", "Edited"
        FIX = "fix", "Mended"

    public_id = models.CharField(max_length=24, unique=True, default=public_id, editable=False)
    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="mendings")
    kind = models.CharField(max_length=4, choices=Kind.choices)
    paths = models.JSONField(help_text="Which paths of the object, or which fields; no values.")
    content = models.BinaryField(help_text="JSON of an Edit or a Fix, encrypted.")
    saved_fix = models.ForeignKey(SavedFix, on_delete=models.SET_NULL, null=True, related_name="mendings")
    actor = models.CharField(max_length=254)
    reason = models.CharField(max_length=400, blank=True)
    created_at = models.DateTimeField()

    class Meta:
        ordering = ("id",)

    def __str__(self) -> str:
        return f"{self.kind} by {self.actor}"

    # Factories

    @classmethod
    def of(
        cls,
        run_id: int,
        what: Edit | Fix,
        *,
        actor: str,
        now: datetime,
        reason: str = "",
        saved_fix_id: int | None = None,
    ) -> Mending:
        """Return one, not saved yet, whose content is sealed."""
        is_edit = isinstance(what, Edit)
        paths = (
            [change.told[:LONGEST_PATH] for change in what.changes]
            if isinstance(what, Edit)
            else [what.field]
        )
        return cls(
            run_id=run_id,
            kind=cls.Kind.EDIT if is_edit else cls.Kind.FIX,
            paths=paths,
            content=vault.seal(EXACT.encode(_plain(what)), owner=f"mending:{run_id}"),
            saved_fix_id=saved_fix_id,
            actor=actor,
            reason=reason,
            created_at=now,
        )

    # Queries

    @property
    def what(self) -> Edit | Fix:
        """
        Return what it changes.

        :raises vault.Unreadable: if the key of it is lost
        """
        opened = vault.unseal(self.content, owner=f"mending:{self.run_id}")
        if self.kind == self.Kind.FIX:
            return msgspec.json.decode(opened, type=Fix)
        return _edit_of(_DECODER.decode(opened))


def _plain(what: Edit | Fix) -> object:
    """Return `what` as JSON; a change has no `before` or `after` where nothing stood there."""
    if isinstance(what, Fix):
        return what
    changes = [
        {
            "path": list(change.path),
            **({} if change.before is ABSENT else {"before": change.before}),
            **({} if change.after is ABSENT else {"after": change.after}),
        }
        for change in what.changes
    ]
    return {"type": what.type, "id": what.id, "by": what.by, "changes": changes}


def _edit_of(plain: dict[str, Any]) -> Edit:
    changes = tuple(
        Change(tuple(one["path"]), one.get("before", ABSENT), one.get("after", ABSENT))
        for one in plain["changes"]
    )
    return Edit(plain["type"], plain["id"], changes, plain["by"])
