"""This module holds which part of a connection's rate each process uses."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from django.db import models, transaction
from django.db.models import ExpressionWrapper, Q
from django.db.models.functions import Now

from connectors.models.connections import Connection


class RateShareQuerySet(models.QuerySet["RateShare"]):
    """The parts of the rates of connections that processes hold."""

    # Queries

    def is_settled(
        self, *, connection_id: int, holder: str, term: timedelta, using: float, part: float
    ) -> bool:
        """Tell whether `lease` would give `part` as before, and what `holder` has lasts for half a `term`."""
        rows = self.filter(connection_id=connection_id).values_list(
            "holder",
            "part",
            ExpressionWrapper(Q(until__gte=Now()), models.BooleanField()),
            ExpressionWrapper(Q(until__gt=Now() + term / 2), models.BooleanField()),
        )
        mine, others = None, []
        for name, held, stands, lasts in rows:
            if name == holder:
                mine = held if lasts else None
            elif stands:
                others.append(held)
            else:
                return False
        return _part_beside(others) == part and mine == max(part, using)

    # Mutators. Terms are judged by the database's clock, since hosts' clocks may differ.

    def lease(self, *, connection_id: int, holder: str, term: timedelta, using: float = 0.0) -> float:
        """
        Let `holder` use a part of a connection's rate for so long, and return it: at most what is free.

        Who is alone has the whole. Of several each comes to have the same: whoever had more gives it up as
        it asks again, and so whoever asks for the first time may have nothing yet. `using` is what `holder`
        has used up to now: turns that it gave out by that are still to come, so that what it gives up is
        free only once it asks again. What all of them hold is never more than the whole.
        """
        with transaction.atomic():
            Connection.objects.select_for_update().only("pk").get(pk=connection_id)  # one after the other
            held = self.filter(connection_id=connection_id)
            held.filter(until__lt=Now()).delete()
            others = list(held.exclude(holder=holder).values_list("part", flat=True))
            part = _part_beside(others)
            self.update_or_create(
                connection_id=connection_id,
                holder=holder,
                defaults={"part": max(part, using), "until": Now() + term},
            )
        return part

    def give_back(self, *, holder: str, connection_id: int) -> None:
        """Leave the part that `holder` has to the others."""
        self.filter(holder=holder, connection_id=connection_id).delete()


def _part_beside(others: Sequence[float]) -> float:
    """Return the part of somebody beside `others`: as much as each comes to have, at most what is free."""
    return max(0.0, min(1.0 / (len(others) + 1), 1.0 - sum(others)))


class RateShare(models.Model):
    """The part of a connection's rate that a process uses now; what is not asked for again runs out."""

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="rate_shares")
    holder = models.CharField(max_length=40, help_text="Names the process.")
    part = models.FloatField(help_text="From 0 to 1, which is the whole.")
    until = models.DateTimeField()

    objects = RateShareQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["connection", "holder"], name="one_share_of_a_rate_per_process")
        ]

    def __str__(self) -> str:
        return f"{self.connection}: {self.part:.2f} for {self.holder}"
