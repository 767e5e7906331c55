"""This module holds test cases: an event that a flow was tried on, and what was to come of it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, ClassVar

import msgspec
from django.db import models
from django.db.models import Q

from flows.models.design import Flow
from integrator import vault
from integrator.accounts.models import Environment, public_id
from integrator.kernel import canonical


class TestCaseQuerySet(models.QuerySet["TestCase"]):
    """The test cases."""

    # Queries

    def shown_in(self, environments: Iterable[Environment]) -> TestCaseQuerySet:
        """Return those that whoever may see the events of `environments` may run: what differs has values."""
        return self.filter(Q(environment__isnull=True) | Q(environment__in=list(environments)))


class TestCase(models.Model):
    """
    An event, what the systems answered when it was tried, and what was to come of it.

    It is a copy, sealed like the inbox, and kept until somebody deletes it: retention does not touch it.
    It is run at the moment at which it was saved (`at`), so that it comes to the same on any day.
    """

    __test__: ClassVar[bool] = False  # a noun of the product, not something for pytest to collect

    public_id = models.CharField(max_length=24, unique=True, default=public_id, editable=False)
    flow = models.ForeignKey(Flow, on_delete=models.PROTECT, related_name="test_cases")
    environment = models.ForeignKey(
        Environment,
        on_delete=models.PROTECT,
        null=True,
        related_name="+",
        help_text="Where its event is from; empty: from no environment.",
    )
    name = models.CharField(max_length=100)
    event_type = models.CharField(max_length=255)
    at = models.DateTimeField(help_text="The time that the flow is told when the case is run.")
    given = models.BinaryField(help_text="JSON of the event and of what was read meanwhile, encrypted.")
    expected = models.BinaryField(help_text="JSON of the records, exits and effects, encrypted.")
    saved_at = models.DateTimeField()
    saved_by = models.CharField(max_length=254)

    objects = TestCaseQuerySet.as_manager()

    class Meta:
        ordering = ("name",)
        constraints = [models.UniqueConstraint(fields=["flow", "name"], name="one_test_case_per_name")]

    def __str__(self) -> str:
        return self.name

    # Mutators

    def keep(
        self,
        *,
        environment: Environment | None = None,
        event_type: str,
        at: datetime,
        given: bytes,
        expected: dict[str, Any],
        actor: str,
        now: datetime,
    ) -> None:
        """Save what is given (as JSON) and expected, sealed, in place of what was there."""
        self.environment = environment
        self.event_type, self.at, self.saved_by, self.saved_at = event_type, at, actor, now
        self.given = vault.seal(given, owner=self._owner)
        self.expected = vault.seal(canonical.dumps(expected), owner=self._owner)
        self.save()

    # Properties

    @property
    def _owner(self) -> str:
        return f"case:{self.flow_id}"

    def given_json(self) -> bytes:
        """
        Return the JSON of what is given.

        :raises integrator.vault.Unreadable: if its key is lost
        """
        return vault.unseal(self.given, owner=self._owner)

    def expected_outcome(self) -> dict[str, Any]:
        """
        Return what is to come of it.

        :raises integrator.vault.Unreadable: if its key is lost
        """
        opened: dict[str, Any] = msgspec.json.decode(vault.unseal(self.expected, owner=self._owner))
        return opened
