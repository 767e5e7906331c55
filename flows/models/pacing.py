"""This module holds how many runs have passed a step that lets only some through, and who was the last."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from flows.models.design import Flow, Pair


class Gate(models.Model):
    """
    The turns that a step has given to runs with one key: places in periods that follow one another.

    Turn number n, from 0, is in the period n // limit after `began`. The periods that are in use end at
    `ends`; afterwards the count begins anew, so that a row which is deleted then is not missed. Times are
    milliseconds, so that the database counts with them in one statement.
    """

    flow = models.ForeignKey(Flow, on_delete=models.CASCADE, related_name="gates")
    pair = models.ForeignKey(Pair, on_delete=models.CASCADE, related_name="gates")
    key = models.CharField(max_length=64, help_text="Hash of the step, its pace and the common key.")
    began = models.BigIntegerField(help_text="When the first period began.")
    taken = models.BigIntegerField(help_text="Turns that were given since then.")
    given = models.BigIntegerField(help_text="How many of them the last statement gave.")
    ends = models.BigIntegerField(help_text="When the last period ends of which a turn was given.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["flow", "pair", "key"], name="one_gate_per_key")]
        indexes: ClassVar[list[models.Index]] = [models.Index(fields=["ends"], name="gate_ends")]

    def __str__(self) -> str:
        return f"{self.taken} since {self.began}"


class Burst(models.Model):
    """
    Runs with one key that came one soon after the other: which of them is the last, and when it may go on.

    `last` sorts as the events happened. The row outlives the burst, so that a run which a crash let forget
    that it went on goes on again, and one that was not the last still finds that out.
    """

    flow = models.ForeignKey(Flow, on_delete=models.CASCADE, related_name="bursts")
    pair = models.ForeignKey(Pair, on_delete=models.CASCADE, related_name="bursts")
    key = models.CharField(max_length=64, help_text="Hash of the step and of what the runs have in common.")
    last = models.CharField(max_length=40, help_text="The last run: its event's time, its number, its place.")
    since = models.BigIntegerField(help_text="When the first of them came, in milliseconds.")
    due = models.BigIntegerField(help_text="When the last of them may go on.")
    members = models.BigIntegerField(help_text="How many came, as far as that was counted.")
    passed = models.BooleanField(help_text="Whether the last of them went on.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["flow", "pair", "key"], name="one_burst_per_key")]
        indexes: ClassVar[list[models.Index]] = [models.Index(fields=["due"], name="burst_due")]

    def __str__(self) -> str:
        return self.last
