"""
This module knows what objects on either side consist of, keeps it, and tells what has changed.

The content of a snapshot is plain data. Of a Salesforce object: what `connectors.salesforce.schema` keeps of
its description, so that each of `fields` is an element of a describe result. Of one of Stripe's: `name`,
`text`, and `fields` as `connectors.stripe.schema` reads them. Of the list of all objects: `objects`. An
object that could be seen once and is not seen any more is `gone`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Max, OuterRef, Subquery

from connectors import gateway, record_types
from connectors.base import Result
from connectors.differences import Difference, between
from connectors.models import Connection, SchemaSnapshot
from connectors.salesforce import schema as salesforce
from connectors.stripe import schema as stripe
from integrator.kernel import canonical, errors
from integrator.kernel.redact import redact_text

EVERY = "*"  # stands for the list of all objects
FRESH = timedelta(minutes=10)
PATIENCE = timedelta(minutes=1)  # after a failure nothing is asked for so long
MOST_KEPT = 50  # snapshots of an object
DEADLINE_SECONDS = 12.0


class Unavailable(Exception):
    """Nothing is known of the object, and asking did not help. The message says why."""


class Unknown(Unavailable):
    """The other side has no such object, or none that may be seen."""


@dataclass(frozen=True, slots=True)
class Schema:
    """What is known of an object, and how sure that is."""

    connection_id: int
    object: str
    content: Mapping[str, Any]
    number: int
    version: str
    taken_at: datetime  # since when it has been so, as far as we have seen
    checked_at: datetime  # when it was last found to be so
    failed_at: datetime | None = None  # when asking again did not work, if it did not
    failure: str = ""

    @property
    def fields(self) -> Sequence[Mapping[str, Any]]:
        """Return the fields as the content has them."""
        found: Sequence[Mapping[str, Any]] = self.content.get("fields", ())
        return found

    @property
    def gone(self) -> bool:
        """Tell whether the object is not there any more, or may not be seen."""
        return bool(self.content.get("gone"))

    def age(self, *, now: datetime) -> timedelta:
        """Return how long ago it was last found to be so."""
        return now - self.checked_at


@dataclass(frozen=True, slots=True)
class Change:
    """What was different when an object was asked about at `at`."""

    at: datetime
    version: str
    differences: tuple[Difference, ...]


def of(
    *,
    connection: Connection,
    object: str,
    now: datetime,
    fresh_for: timedelta = FRESH,
    in_full: bool = False,
) -> Schema:
    """
    Return what one object consists of; see `of_many`.

    :raises Unavailable: if nothing is known of it, and asking did not help
    :raises RuntimeError: if the other side would have to be asked, and this is inside a transaction
    """
    found = of_many(connection=connection, objects=[object], now=now, fresh_for=fresh_for, in_full=in_full)[
        object
    ]
    if isinstance(found, Unavailable):
        raise found
    return found


def of_many(
    *,
    connection: Connection,
    objects: Sequence[str],
    now: datetime,
    fresh_for: timedelta = FRESH,
    in_full: bool = False,
) -> dict[str, Schema | Unavailable]:
    """
    Return what each of `objects` consists of, asking the other side where that is older than `fresh_for`.

    Whoever does not answer, or refuses, leaves what was known before: the schema says how old it is, and
    why. `in_full` asks for everything, whether or not the other side says that it has changed.

    :raises RuntimeError: if the other side would have to be asked, and this is inside a transaction
    """
    known = _newest(connection, objects)
    due = [name for name in dict.fromkeys(objects) if in_full or _is_due(known.get(name), now, fresh_for)]
    told = _ASK[connection.system](connection, due, {} if in_full else known) if due else {}
    found: dict[str, Schema | Unavailable] = {name: _schema(row) for name, row in known.items()}
    asked = {name: _kept(connection, name, known.get(name), answer, now=now) for name, answer in told.items()}
    return found | asked


def kept(*, connection: Connection, object: str) -> Schema | None:
    """Return what is known of an object without asking anybody."""
    row = _newest(connection, [object]).get(object)
    return None if row is None else _schema(row)


def remember(*, connection: Connection, objects: Collection[str], now: datetime) -> None:
    """
    Keep what the SDK says of types of Stripe's objects, where nothing of this release is kept yet.

    Whoever uses objects does so, so that a later release can be compared with what was used. A process that
    has just begun learns from what is kept: to read the source of the SDK takes the better part of a second.
    """
    version, unlearned = _version(connection), [name for name in objects if not stripe.is_known(name)]
    rows = SchemaSnapshot.objects.filter(object__in=objects, version=version)
    for name, content in (
        rows.filter(object__in=unlearned).order_by("number").values_list("object", "content")
    ):
        stripe.learn(name, map(_as_field, content.get("fields", ())))
    kept = set(rows.filter(connection=connection).values_list("object", flat=True))
    missing = [name for name in objects if name not in kept]
    if missing:
        of_many(connection=connection, objects=missing, now=now, fresh_for=timedelta(0))


def _as_field(told: Mapping[str, Any]) -> stripe.StripeField:
    """Return a field of Stripe's as it was before it was kept."""
    return stripe.StripeField(**{**told, "values": tuple(told["values"]), "expands": tuple(told["expands"])})


def changes(*, connection: Connection, object: str, most: int = 10) -> list[Change]:
    """Return what has changed about an object, the newest first; what only its labels say included."""
    rows = list(_rows(connection, object).order_by("-number")[: most + 1])
    return [
        Change(after.taken_at, after.version, tuple(between(before.content, after.content)))
        for after, before in pairwise(rows)
    ]


def since(*, connection: Connection, object: str, moment: datetime) -> list[Difference]:
    """
    Return what has changed about an object since `moment`, as far as is known.

    Where nothing was known of it then, that is since it was first asked about.
    """
    return since_each(connection=connection, object=object, moments=[moment])[moment]


def since_each(
    *,
    connection: Connection,
    object: str,
    moments: Collection[datetime],
) -> dict[datetime, list[Difference]]:
    """Return what has changed about an object since each of `moments`; each snapshot is read once."""
    rows = _rows(connection, object)
    taken: list[tuple[int, datetime]] = list(rows.order_by("number").values_list("number", "taken_at"))
    if not taken:
        return {moment: [] for moment in moments}
    newest = taken[-1][0]
    then = {
        moment: max((number for number, at in taken if at <= moment), default=taken[0][0])
        for moment in moments
    }
    older = set(then.values()) - {newest}
    contents = (
        dict(rows.filter(number__in={*older, newest}).values_list("number", "content")) if older else {}
    )
    told = {number: between(contents[number], contents[newest]) for number in older}
    return {moment: told.get(number, []) for moment, number in then.items()}


def then_and_now(
    *, connection: Connection, objects: Collection[str], moment: datetime
) -> dict[str, tuple[Schema, Schema]]:
    """
    Return what each object that is known consisted of at `moment`, and what it consists of now.

    Where nothing was known of it then, the first that is known stands for it. Nobody is asked.
    """
    newest = _newest(connection, list(objects))
    taken = SchemaSnapshot.objects.filter(connection=connection, object__in=newest).order_by("number")
    then: dict[str, int] = {}
    for name, key, at in taken.values_list("object", "pk", "taken_at"):
        if name not in then or at <= moment:
            then[name] = key
    older = set(then.values()) - {row.pk for row in newest.values()}
    before = newest | {row.object: row for row in taken.filter(pk__in=older)}
    return {name: (_schema(before[name]), _schema(row)) for name, row in newest.items()}


def numbers(connections: Collection[int]) -> dict[tuple[int, str], int]:
    """Return the number of the newest snapshot of each object, by the id of the connection and its name."""
    rows = SchemaSnapshot.objects.filter(connection__in=connections).order_by()
    counted = rows.values_list("connection_id", "object").annotate(newest=Max("number"))
    return {(connection, name): newest for connection, name, newest in counted}


# How each side is asked


_Told = dict[str, Mapping[str, Any] | errors.IntegrationError]


def _ask_salesforce(
    connection: Connection, names: Sequence[str], known: Mapping[str, SchemaSnapshot]
) -> _Told:
    def request(name: str) -> dict[str, str]:
        row = known.get(name)
        usable = row is not None and row.version == connection.api_version and not row.content.get("gone")
        return {"object": name, "since": row.modified if usable and row is not None else ""}

    told: dict[str, Result] = {}
    for action, wanted in (
        ("describe", [name for name in names if name != EVERY]),
        ("describe_global", [name for name in names if name == EVERY]),
    ):
        answers = gateway.call_many(
            connection_id=connection.pk,
            action=action,
            requests=[request(name) for name in wanted],
            deadline=DEADLINE_SECONDS,
        )
        told |= dict(zip(wanted, answers, strict=True))
    found = {name: _of_salesforce(name, answer) for name, answer in told.items()}
    return record_types.completed(connection, found, known)


def _of_salesforce(name: str, answer: Result) -> Mapping[str, Any] | errors.IntegrationError:
    if isinstance(answer, errors.Missing):
        return {"content": {"name": name, "gone": True, "fields": []}, "modified": ""}
    if isinstance(answer, errors.IntegrationError):
        return answer
    if answer.get("unchanged"):
        return {"unchanged": True}
    content = salesforce.kept_list(answer) if name == EVERY else salesforce.kept(answer)
    return {"content": content, "modified": str(answer.get("last_modified") or "")}


def _ask_stripe(connection: Connection, names: Sequence[str], known: Mapping[str, SchemaSnapshot]) -> _Told:
    told: _Told = {}
    for name in names:
        try:
            told[name] = {"content": stripe_content(name), "modified": ""}
        except stripe.NoSuchObject as problem:
            told[name] = errors.Missing(str(problem))
    return told


@lru_cache(maxsize=128)
def stripe_content(kind: str) -> Mapping[str, Any]:
    """
    Return what the SDK says of one type of object, or with `*` the list of them.

    :raises NoSuchObject: if the SDK has no such type
    """
    if kind == EVERY:
        return {"objects": [{"name": name, "label": stripe.text_of(name)} for name in stripe.objects()]}
    fields = [asdict(field) for field in stripe.fields_of(kind)]
    for field in fields:  # as JSON has it, so that equal contents are equal
        field["values"], field["expands"] = list(field["values"]), list(field["expands"])
    return {"name": kind, "text": stripe.text_of(kind), "fields": fields}


_ASK = {
    Connection.System.SALESFORCE.value: _ask_salesforce,
    Connection.System.STRIPE.value: _ask_stripe,
}


# What is kept


def _is_due(row: SchemaSnapshot | None, now: datetime, fresh_for: timedelta) -> bool:
    if row is None:
        return True
    if row.failed_at is not None and now - row.failed_at < PATIENCE:
        return False
    return now - row.checked_at >= fresh_for


def _kept(
    connection: Connection,
    name: str,
    row: SchemaSnapshot | None,
    told: Mapping[str, Any] | errors.IntegrationError,
    *,
    now: datetime,
) -> Schema | Unavailable:
    """Keep what was told of an object, and return what is known of it from now on."""
    if isinstance(told, errors.IntegrationError):
        reason = redact_text(str(told))
        if row is None:
            no_such = isinstance(told, (errors.Missing, errors.Refused))
            return Unknown(reason) if no_such else Unavailable(reason)
        row.fail(reason=reason, now=now)
        return _schema(row)
    version = _version(connection)
    if row is not None and told.get("unchanged"):
        row.still_holds(modified=row.modified, version=version, now=now)
        return _schema(row)
    content = told.get("content", {})
    if row is None and content.get("gone"):
        system = connection.get_system_display()
        return Unknown(f"{system} has no object {name} that the integration user may see.")
    digest = canonical.fingerprint(content)
    if row is not None and row.digest == digest:
        row.still_holds(modified=told["modified"], version=version, now=now)
        return _schema(row)
    return _schema(
        _added(
            connection,
            name,
            number=1 if row is None else row.number + 1,
            digest=digest,
            version=version,
            content=content,
            modified=str(told["modified"])[:60],
            taken_at=now,
        )
    )


def _added(
    connection: Connection, name: str, *, number: int, taken_at: datetime, **told: Any
) -> SchemaSnapshot:
    """Keep another snapshot of an object, and let go of what is too old to matter."""
    row = {"number": number, "taken_at": taken_at, "checked_at": taken_at, **told}
    try:
        with transaction.atomic():
            added = SchemaSnapshot.objects.create(connection=connection, object=name, **row)
    except IntegrityError:  # somebody asked at the same moment, and was told the same
        return _newest(connection, [name])[name]
    _rows(connection, name).filter(number__lte=number - MOST_KEPT).delete()
    return added


def _version(connection: Connection) -> str:
    if connection.system == Connection.System.STRIPE:
        return str(stripe.release())
    return connection.api_version


def _rows(connection: Connection, name: str) -> Any:
    return SchemaSnapshot.objects.filter(connection=connection, object=name)


def _newest(connection: Connection, names: Sequence[str]) -> dict[str, SchemaSnapshot]:
    same = SchemaSnapshot.objects.filter(connection=OuterRef("connection"), object=OuterRef("object"))
    newest = SchemaSnapshot.objects.filter(
        connection=connection,
        object__in={name for name in names if "\0" not in name},  # which a database would refuse
        number=Subquery(same.order_by("-number").values("number")[:1]),
    )
    return {row.object: row for row in newest}


def _schema(row: SchemaSnapshot) -> Schema:
    return Schema(
        connection_id=row.connection_id,
        object=row.object,
        content=row.content,
        number=row.number,
        version=row.version,
        taken_at=row.taken_at,
        checked_at=row.checked_at,
        failed_at=row.failed_at,
        failure=row.failure,
    )
