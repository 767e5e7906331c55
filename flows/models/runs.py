"""This module holds runs, their attempts, and dead letters."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from django.db import models

from flows.models.causes import GroupRetry
from flows.models.design import Flow, Pair
from flows.models.inbox import Event, Fate
from flows.models.lanes import Lane
from flows.models.versions import FlowVersion
from flows.statements import Given
from integrator.accounts.models import public_id

REASON_LENGTH = 500


class IllegalTransition(Exception):
    """A run cannot go there from where it is."""


class RunQuerySet(models.QuerySet["Run"]):
    """The run log."""

    # Queries

    def due(self, now: datetime | Given) -> RunQuerySet:
        """Return the runs that a worker may take up at `now`."""
        return self.filter(state__in=(Run.State.READY, Run.State.RETRYING), next_attempt_at__lte=now)


class Run(models.Model):
    """
    One flow version's handling of one event.

    `state` is where the run is, `fate` how its event ended for the flow; READY runs are
    claimed with their lane, so that a crash leaves nothing to tidy up in this table.
    """

    class State(models.TextChoices):
        READY = "ready", "Queued"
        RETRYING = "retrying", "Retrying"  # failed, and due again at `next_attempt_at`
        WAITING = "waiting", "Waiting for a person"
        DONE = "done", "Done"
        DEAD = "dead", "In dead letters"

    UNFINISHED: ClassVar[frozenset[str]] = frozenset({State.READY, State.RETRYING, State.WAITING})
    NEXT: ClassVar[dict[str, frozenset[str]]] = {
        State.READY: frozenset({State.READY, State.RETRYING, State.WAITING, State.DONE, State.DEAD}),
        State.RETRYING: frozenset({State.READY, State.RETRYING, State.WAITING, State.DONE, State.DEAD}),
        State.WAITING: frozenset({State.READY, State.DONE, State.DEAD}),
        State.DEAD: frozenset({State.READY, State.DONE}),  # retried; superseded or discarded
        State.DONE: frozenset(),
    }

    public_id = models.CharField(max_length=24, unique=True, default=public_id, editable=False)
    flow = models.ForeignKey(Flow, on_delete=models.PROTECT, related_name="runs")
    version = models.ForeignKey(FlowVersion, on_delete=models.PROTECT, related_name="runs")
    pair = models.ForeignKey(Pair, on_delete=models.PROTECT, related_name="runs")
    event = models.ForeignKey(Event, on_delete=models.PROTECT, related_name="runs")
    subject = models.CharField(max_length=255, blank=True, help_text="Which record, if an event names many.")
    replay = models.PositiveIntegerField(default=0)
    lane = models.ForeignKey(Lane, on_delete=models.PROTECT, related_name="runs")

    state = models.CharField(max_length=10, choices=State.choices, default=State.READY)
    fate = models.CharField(max_length=10, choices=Fate.choices, default=Fate.QUEUED)
    reason = models.CharField(max_length=500, blank=True, help_text="Why it ended, waits or is tried again.")
    attempts = models.PositiveIntegerField(default=0, help_text="Failed tries that the policy counted.")
    crashes_alone = models.PositiveSmallIntegerField(default=0)
    fetch_first = models.BooleanField(default=False, help_text="Read the object before mapping: a retry.")
    insisted = models.BooleanField(
        default=False, db_default=False, help_text="A person wants it done: effects run though it is history."
    )
    mended = models.BooleanField(
        default=False,
        db_default=False,
        help_text="Its event was edited, or a fix of what it writes approved.",
    )
    memory = models.JSONField(
        null=True, help_text="What steps remember between tries, by step: answers, and until when one waits."
    )
    kept = models.BinaryField(
        default=b"",
        db_default=b"",
        help_text="JSON of what was done for good inside of steps, until the run is done; encrypted.",
    )
    goes_on_from = models.BigIntegerField(
        null=True,
        help_text="Id of the try that it goes on from, at its failed step, unless the object is read first.",
    )
    steps = models.CharField(
        max_length=200, blank=True, help_text="A letter per step taken: s done, e failed, i ended here."
    )
    amount = models.BigIntegerField(null=True, help_text="Minor units, of the event's object.")
    currency = models.CharField(max_length=3, blank=True)
    created_at = models.DateTimeField()
    next_attempt_at = models.DateTimeField(null=True, help_text="Due time of a READY or RETRYING run.")
    first_failed_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    objects = RunQuerySet.as_manager()

    class Meta:
        ordering = ("-id",)
        constraints = [
            models.UniqueConstraint(
                fields=["flow", "pair", "event", "subject", "replay"], name="one_run_per_event_and_flow"
            ),
            models.CheckConstraint(
                condition=models.Q(state__in=["done", "dead"], finished_at__isnull=False)
                | models.Q(state__in=["ready", "retrying", "waiting"], finished_at__isnull=True),
                name="finished_runs_have_an_end",
            ),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["pair", "state", "-id"], name="run_by_state"),
            models.Index(
                fields=["lane", "id"],
                condition=models.Q(state__in=["ready", "retrying"]),
                name="run_due_in_lane",
            ),
            models.Index(fields=["pair", "-id"], name="run_by_pair"),
            models.Index(
                fields=["lane", "id"],
                condition=models.Q(state__in=["waiting", "dead"]),
                name="run_stopped_in_lane",
            ),
            # Only runs about one of several records that an event names have a subject.
            models.Index(fields=["subject"], condition=~models.Q(subject=""), name="run_by_subject"),
        ]

    def __str__(self) -> str:
        return self.public_id

    # Factories

    def again(self, *, reason: str, now: datetime) -> Run:
        """
        Return a new run, not saved yet, of the same event; it reads its object before anything else.

        It remembers what people answered, so that nobody is asked twice.
        """
        return Run(
            flow_id=self.flow_id,
            version_id=self.version_id,
            pair_id=self.pair_id,
            event_id=self.event_id,
            subject=self.subject,
            replay=self.replay + 1,
            lane_id=self.lane_id,
            reason=reason,
            fetch_first=True,
            memory=self.memory,
            amount=self.amount,
            currency=self.currency,
            created_at=now,
            next_attempt_at=now,
        )

    # Mutators

    def begin_again(self, *, now: datetime, insist: bool = True, goes_on_from: int | None = None) -> None:
        """
        Make the run due once more as a person wishes it: with the object read first and a fresh budget.

        Who insists wants the effects too, though the event may be history. With the id of a try, the run
        goes on at the step at which that failed, and reads nothing first.

        :raises IllegalTransition: if the run is done
        """
        self._move_to(self.State.READY, Fate.QUEUED, "", now)
        self.attempts = 0
        self.crashes_alone = 0
        self.first_failed_at = None
        self.fetch_first = goes_on_from is None
        self.goes_on_from = goes_on_from
        self.insisted = self.insisted or insist
        self.next_attempt_at = now
        self.save(
            update_fields=[
                "state", "fate", "reason", "finished_at", "attempts", "crashes_alone", "first_failed_at",
                "fetch_first", "goes_on_from", "insisted", "memory", "next_attempt_at",
            ]
        )  # fmt: skip

    def remember(self, step: str, **what: object) -> None:
        """Keep what a step is to find at the next try; the caller saves it."""
        memory = dict(self.memory or {})
        memory[step] = {**memory.get(step, {}), **what}
        self.memory = memory

    def discard(self, *, reason: str, now: datetime) -> None:
        """
        End the run without doing what it was for.

        :raises IllegalTransition: if the run is done
        """
        self._move_to(self.State.DONE, Fate.DISCARDED, reason, now)
        self.next_attempt_at = None
        self.save(update_fields=["state", "fate", "reason", "finished_at", "next_attempt_at"])

    def supersede(self, *, reason: str, now: datetime) -> None:
        """
        End the run because another one does what it was for.

        :raises IllegalTransition: if the run is done
        """
        self._move_to(self.State.DONE, Fate.SUPERSEDED, reason, now)
        self.next_attempt_at = None
        self.save(update_fields=["state", "fate", "reason", "finished_at", "next_attempt_at"])

    def _move_to(self, state: str, fate: str, reason: str, now: datetime) -> None:
        check_move(self.state, state)
        self.state, self.fate, self.reason = state, fate, reason[:REASON_LENGTH]
        self.finished_at = now if state in {self.State.DONE, self.State.DEAD} else None


def check_move(before: str, after: str) -> None:
    """
    Check one move of a run, also for those who move many at once.

    :raises IllegalTransition: if a run cannot go from `before` to `after`
    """
    if after not in Run.NEXT[before]:
        raise IllegalTransition(f"A run that is {before} cannot become {after}.")


class Attempt(models.Model):
    """One try of a run: how it ended, and its trace (every step's input and output), encrypted."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="tries")
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField()
    outcome = models.CharField(max_length=12, help_text="done, retry, ask, pause, gave up.")
    trace = models.BinaryField(help_text="JSON list of steps, encrypted; see flows.engine.trace.")
    found = models.BinaryField(
        default=b"",
        db_default=b"",
        help_text="What it had found when a step gave up, encrypted; see flows.engine.carrying.",
    )

    class Meta:
        ordering = ("id",)

    def __str__(self) -> str:
        return f"{self.run_id}: {self.outcome}"


class AlreadyHandled(Exception):
    """Somebody else was quicker: the dead letter is resolved."""


class DeadLetterQuerySet(models.QuerySet["DeadLetter"]):
    """The dead letters."""

    # Queries

    def unresolved(self) -> DeadLetterQuerySet:
        """Return the letters that still wait for a person."""
        return self.filter(resolved_at__isnull=True)


class DeadLetter(models.Model):
    """A run that gave up, or an event that could not be read or dispatched, waiting for a person."""

    class Resolution(models.TextChoices):
        RETRIED = "retried", "Retried"
        DISCARDED = "discarded", "Discarded"
        SUPERSEDED = "superseded", "Superseded"

    public_id = models.CharField(max_length=24, unique=True, default=public_id, editable=False)
    event = models.ForeignKey(Event, on_delete=models.PROTECT, related_name="dead_letters")
    run = models.ForeignKey(Run, on_delete=models.PROTECT, null=True, related_name="dead_letters")
    error_class = models.CharField(max_length=40, help_text="A class of flows.error_catalogue.")
    code = models.CharField(max_length=100, blank=True)
    field = models.CharField(max_length=100, blank=True)
    step = models.CharField(max_length=60, blank=True)
    system = models.CharField(
        max_length=20, blank=True, default="", db_default="", help_text="That answered; empty: we failed."
    )
    http_status = models.PositiveSmallIntegerField(null=True, help_text="Of the answer, where there was one.")
    waits_for = models.CharField(
        max_length=255,
        blank=True,
        default="",
        db_default="",
        help_text="The parent that it lacks: object:id.",
    )
    message = models.TextField()
    suggestion = models.CharField(max_length=500)
    fingerprint = models.CharField(
        max_length=64, db_index=True, help_text="Flow, step, code, field and message without ids."
    )
    created_at = models.DateTimeField()
    resolved_at = models.DateTimeField(null=True)
    resolution = models.CharField(max_length=12, choices=Resolution.choices, blank=True)
    resolved_by = models.CharField(max_length=254, blank=True)
    group_retry = models.ForeignKey(
        GroupRetry,
        on_delete=models.SET_NULL,
        null=True,
        related_name="letters",
        help_text="With which many were retried; empty where it was retried alone, or all at once.",
    )

    objects = DeadLetterQuerySet.as_manager()

    class Meta:
        ordering = ("-id",)
        constraints = [
            models.UniqueConstraint(
                fields=["run"], condition=models.Q(resolved_at__isnull=True), name="one_open_letter_per_run"
            ),
            models.UniqueConstraint(
                fields=["event"],
                condition=models.Q(resolved_at__isnull=True, run__isnull=True),
                name="one_open_letter_per_undispatched_event",
            ),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["-id"], condition=models.Q(resolved_at__isnull=True), name="letter_open"),
            models.Index(
                fields=["fingerprint", "id"],
                condition=models.Q(resolved_at__isnull=True),
                name="letter_open_of_cause",
            ),
            models.Index(
                fields=["waits_for"],
                condition=models.Q(resolved_at__isnull=True) & ~models.Q(waits_for=""),
                name="letter_of_an_orphan",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.error_class}: {self.message[:60]}"

    # Mutators

    def resolve(self, resolution: str, *, actor: str, now: datetime) -> None:
        """
        Close the letter for good.

        :raises AlreadyHandled: if it is closed
        """
        if self.resolved_at is not None:
            raise AlreadyHandled(f"This dead letter was already {self.resolution} by {self.resolved_by}.")
        self.resolution, self.resolved_by, self.resolved_at = resolution, actor, now
        self.save(update_fields=["resolution", "resolved_by", "resolved_at"])
