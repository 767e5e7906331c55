"""This module reads pages of long lists of the REST interface in steps, between two moments."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypeVar

from django.db.models import Model
from django.http import HttpRequest
from django.utils.dateparse import parse_datetime
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request

from flows.finding import Place
from flows.queries import OUT_OF_ORDER, first_id
from flows.stepping import Stepwise
from integrator.accounts.access import scope_of
from integrator.web import LARGEST_ID, Reader

M = TypeVar("M", bound=Model)


def place_of(request: HttpRequest | Request) -> Place:
    """Return the pairs and connections that a request may reach, looked up once for each."""
    found = getattr(request, "_place", None)
    if found is None:
        found = Place.of(*scope_of(request).environments())
        request._place = found  # type: ignore[union-attr]  # ours
    return found


def reader_between(
    model: type[M], field: str, asked: Mapping[str, Any], *, after: str, before: str
) -> Reader[M]:
    """Return what reads rows whose `field` lies between the moments that the query names, if it does."""
    since, until = _moment(asked.get(after)), _moment(asked.get(before))
    return Stepwise(
        low=first_id(model, field, since) if since else 0,
        high=first_id(model, field, until + 2 * OUT_OF_ORDER) if until else LARGEST_ID,
    )


def _moment(text: Any) -> datetime | None:
    # What cannot be read has been refused by the filter already.
    found = parse_datetime(str(text)) if text else None
    return found if found is not None and found.tzinfo else None


def check_moment(name: str, moment: datetime) -> None:
    """
    Refuse a moment at the ends of time, where neither Python nor the databases can reckon.

    :raises ValidationError: naming the filter
    """
    if not 2000 <= moment.year <= 2100:
        raise ValidationError({name: "A moment between the years 2000 and 2100."})
