"""
This module deploys to an org what its flows need, as an administrator: a check first, then the act.

Between the steps nothing is kept here. What a step has found is handed out as a signed ticket and comes back
with the next one; the session comes anew with each step and is written nowhere.

A check tells which components the org would create. What it would not create is there already, hidden from
whoever looked: it is taken out, and the rest is checked again, so that nothing that is there is overwritten.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from django.core import signing
from django.db import transaction

from connectors import guests
from connectors.base import Answer, Params, Result
from connectors.models import Connection
from connectors.salesforce import contents
from connectors.salesforce.package import selection
from connectors.salesforce.package.choosing import FIELD, FLOW, MEMBER, OBJECT, Choice, State, choose
from connectors.salesforce.package.wanted import Wanted
from integrator.accounts import audit
from integrator.accounts.models import AuditEntry
from integrator.kernel import errors
from integrator.kernel.refusals import Unacceptable

LOOK_SECONDS, SEND_SECONDS = 30.0, 30.0
PATIENCE = timedelta(minutes=20)  # that a deployment is waited for
VALID = timedelta(hours=1)  # for which a ticket counts
_SALT = "connectors.org_deployment"
_NEVER_AGAIN = frozenset({OBJECT, FIELD, FLOW, MEMBER})  # kinds of which nothing that is there is sent
_DONE = frozenset({"Succeeded", "SucceededPartial", "Failed", "Canceled"})


class OtherOrg(Unacceptable):
    """The session that was lent leads to another org than the connection."""


@dataclass(frozen=True, slots=True)
class Line:
    """What became of one component: created, changed, or why not."""

    kind: str
    name: str
    outcome: str  # created, changed, failed
    problem: str = ""
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far it is."""

    state: str  # complete, checking, checked, deploying, deployed, failed
    title: str
    told: str = ""
    ticket: str = field(default="", repr=False)
    done: int = 0
    total: int = 0
    lines: tuple[Line, ...] = ()

    @property
    def under_way(self) -> bool:
        """Tell whether somebody should look again in a moment."""
        return self.state in ("checking", "deploying")


@dataclass(frozen=True, slots=True)
class _Ticket:
    """What a step hands to the next: nothing of it is secret."""

    connection: int
    actor: str
    deployment: str
    digest: str  # of the zip
    began: float
    deploys: bool = False
    passed: bool = False
    there: tuple[str, ...] = ()  # components that turned out to be there


def check(
    *,
    connection: Connection,
    wanted: Wanted,
    session: str,
    actor: str,
    now: datetime,
    there: Sequence[str] = (),
) -> Progress:
    """
    Let the org check what would be deployed, without changing anything.

    :raises Unacceptable: if `session` is no session, or of another org
    :raises IntegrationError: if the org cannot be asked
    """
    _, content = _packed(connection, wanted, session, there)
    if content is None:
        return Progress("complete", "The org has everything that the flows need")
    deployment = _send(connection, session, content, check_only=True)
    ticket = _Ticket(
        connection.pk, actor, deployment, _digest(content), now.timestamp(), there=tuple(sorted(there))
    )
    return Progress("checking", "The org checks it", "Nothing is changed.", _signed(ticket))


def look(
    *, connection: Connection, wanted: Wanted, session: str, ticket: str, actor: str, now: datetime
) -> Progress:
    """
    Return how far the check or the deployment of `ticket` is.

    :raises Unacceptable: if the ticket is not of this connection and person, or too old
    :raises IntegrationError: if the org cannot be asked
    """
    known = _opened(ticket, connection, actor)
    result = _ask(connection, session, "deployment", {"id": known.deployment}, LOOK_SECONDS)
    if str(result.get("status")) not in _DONE:
        return _counted(_waiting(known, ticket, now), result)
    lines = _lines(result)
    if not result.get("success"):
        failed = tuple(line for line in lines if line.outcome == "failed")
        if known.deploys:
            _audit(connection, actor, "org.deployment_failed", known, now, problems=len(failed))
        told = "Nothing was changed." if failed else str(result.get("errorMessage") or "It does not say why.")
        return _counted(Progress("failed", "The org refuses it", told, lines=failed), result)
    if known.deploys:
        _audit(connection, actor, "org.deployed", known, now, components=len(lines))
        told = "Assign the permission set to the integration user, if it does not have it yet."
        return _counted(Progress("deployed", "The org has what the flows need", told, lines=lines), result)
    hidden = _hidden(lines)
    if hidden:
        there = sorted({*known.there, *hidden})
        return check(connection=connection, wanted=wanted, session=session, actor=actor, now=now, there=there)
    told = "Nothing has been changed so far. Nothing that is there is overwritten, and nothing is deleted."
    passed = _signed(replace(known, passed=True))
    return _counted(Progress("checked", "The org would take it", told, passed, lines=lines), result)


def deploy(
    *, connection: Connection, wanted: Wanted, session: str, ticket: str, actor: str, now: datetime
) -> Progress:
    """
    Deploy what was checked, and nothing else, once.

    :raises Unacceptable: if nothing was checked, something else than what would be deployed now, or what has
        been begun already
    :raises IntegrationError: if the org cannot be asked; an uncertain one may have begun
    """
    known = _opened(ticket, connection, actor)
    if not known.passed or known.deploys:
        raise Unacceptable("Check first what would be deployed.", field="ticket")
    choice, content = _packed(connection, wanted, session, known.there)
    if content is None or _digest(content) != known.digest:
        raise Unacceptable("The flows or the org have changed since the check. Check again.", field="ticket")
    asked = {"components": len(choice.new()), "flows": list(wanted.flows)}
    if not _audit(connection, actor, "org.deployment_begun", known, now, **asked):
        told = "Its deployment was begun already. Look in Setup, Deployment Status, or check again."
        raise Unacceptable(told, field="ticket")
    deployment = _send(connection, session, content, check_only=False)
    begun = replace(known, deployment=deployment, began=now.timestamp(), deploys=True)
    return Progress("deploying", "The org deploys it", "Everything, or nothing.", _signed(begun))


def _packed(
    connection: Connection, wanted: Wanted, session: str, there: Sequence[str]
) -> tuple[Choice, bytes | None]:
    """Return what is to be deployed, as the administrator sees the org; None where nothing is."""

    def ask(action: str, requests: Sequence[Params]) -> list[Result]:
        answers = guests.call(
            connection=connection, session=session, action=action, requests=requests, deadline=LOOK_SECONDS
        )
        _raise_for(answers)
        return answers

    choice = choose(wanted, contents.look(ask, wanted), there=there)
    unknown = choice.those(State.UNKNOWN)
    if unknown:
        raise Unacceptable(
            f"{unknown[0].name} could not be looked at: {unknown[0].told} The session needs the permissions "
            "of an administrator.",
            field="access_token",
        )
    return choice, selection.packed(choice) if choice.new() else None


def _raise_for(answers: Sequence[Result]) -> None:
    """Raise the failure that is about the session or the line, and leave those that are about one object."""
    for answer in answers:
        if isinstance(answer, errors.Misdirected):
            told = f"{answer} Nothing was sent there."
            raise OtherOrg(told, field="access_token")
        if isinstance(answer, errors.Unauthorized):
            raise Unacceptable(str(answer), field="access_token")
        if isinstance(answer, errors.Transient | errors.RateLimited | errors.Uncertain):
            raise answer


def _ask(connection: Connection, session: str, action: str, params: Params, deadline: float) -> Answer:
    (answer,) = guests.call(
        connection=connection, session=session, action=action, requests=[params], deadline=deadline
    )
    _raise_for([answer])
    if action == "deploy" and isinstance(answer, errors.Forbidden):
        raise Unacceptable(
            "Whoever lent the session may not deploy. It takes the permission “Modify Metadata Through "
            "Metadata API Functions”.",
            field="access_token",
        )
    if isinstance(answer, errors.IntegrationError):
        raise answer
    return answer


def _send(connection: Connection, session: str, content: bytes, *, check_only: bool) -> str:
    params = {"content": content, "check_only": check_only}
    return str(_ask(connection, session, "deploy", params, SEND_SECONDS)["id"])


def _counted(progress: Progress, result: Mapping[str, Any]) -> Progress:
    done, total = result.get("numberComponentsDeployed"), result.get("numberComponentsTotal")
    return replace(
        progress, done=done if isinstance(done, int) else 0, total=total if isinstance(total, int) else 0
    )


def _waiting(known: _Ticket, ticket: str, now: datetime) -> Progress:
    if now.timestamp() - known.began > PATIENCE.total_seconds():
        told = "Salesforce is still at it. Look in Setup, Deployment Status, what became of it."
        return Progress("failed", "Nobody waits for it any longer", told)
    if known.deploys:
        return Progress("deploying", "The org deploys it", "Everything, or nothing.", ticket)
    return Progress("checking", "The org checks it", "Nothing is changed.", ticket)


def _lines(result: Mapping[str, Any]) -> tuple[Line, ...]:
    """Return what became of each component; `package.xml` is none."""
    details = result.get("details") or {}
    found = [*_listed(details.get("componentFailures")), *_listed(details.get("componentSuccesses"))]
    return tuple(_line(one) for one in found if one.get("componentType") or one.get("problem"))


def _listed(told: Any) -> list[dict[str, Any]]:
    """Return a list that a real org tells as a single object where it has one element."""
    items = told if isinstance(told, list) else [told]
    return [item for item in items if isinstance(item, dict)]


def _line(told: Mapping[str, Any]) -> Line:
    kind, name = str(told.get("componentType") or ""), str(told.get("fullName") or "")
    problem = str(told.get("problem") or "")
    if told.get("success") is False or told.get("problemType") == "Error":
        return Line(kind, name, "failed", problem, remedy_for(problem))
    return Line(kind, name, "created" if told.get("created") else "changed")


# A part of what the org says -> what to do about it.
REMEDIES: Sequence[tuple[str, str]] = (
    ("named 'order' cannot be found", "Enable orders in Setup, Order Settings, then check again."),
    ("no customobject named order", "Enable orders in Setup, Order Settings, then check again."),
    (
        "can't be selected",
        "Change Data Capture is not offered for this object; use a platform event instead.",
    ),
    ("exceeded the limit", "Remove what the org no longer uses, or ask Salesforce for more."),
    ("maximum number of", "Remove what the org no longer uses, or ask Salesforce for more."),
    ("cannot change the type", "Somebody made a field of this name for something else. Rename it in Setup."),
    ("already a child relationship", "Another look-up has this name. Rename that relationship in Setup."),
    ("depends on permission", "Give the integration user the right that is named, by a set of your own."),
    ("is not available for this organization", "Switch the feature on in Setup, then check again."),
)


def remedy_for(problem: str) -> str:
    """Return what to do about a problem of a component, where that is known."""
    said = problem.lower()
    return next((remedy for part, remedy in REMEDIES if part in said), "")


def _hidden(lines: Sequence[Line]) -> list[str]:
    """Return the keys of components that the org would not create, because it has them."""
    return [
        f"{line.kind}:{line.name}"
        for line in lines
        if line.outcome == "changed" and line.kind in _NEVER_AGAIN
    ]


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _signed(ticket: _Ticket) -> str:
    told = {name: getattr(ticket, name) for name in ticket.__slots__}
    return signing.dumps(told, salt=_SALT, compress=True)


def _opened(ticket: str, connection: Connection, actor: str) -> _Ticket:
    try:
        told = signing.loads(ticket, salt=_SALT, max_age=VALID)
    except signing.BadSignature:
        raise Unacceptable("This check is too old or not known here. Check again.", field="ticket") from None
    known = _Ticket(**{**told, "there": tuple(told["there"])})
    if (known.connection, known.actor) != (connection.pk, actor):
        raise Unacceptable("This check was made by somebody else, or elsewhere. Check again.", field="ticket")
    return known


def _audit(
    connection: Connection, actor: str, action: str, ticket: _Ticket, now: datetime, **details: Any
) -> bool:
    """Note an act once, however often it is asked for or looked at; tell whether it is new."""
    subject = "deployment" if ticket.deploys else "check"
    told = {
        "connection": connection.public_id,
        "org": connection.pinned_account,
        subject: ticket.deployment,
        "sha256": ticket.digest,
        **details,
    }
    workspace = connection.environment.workspace
    with transaction.atomic():
        # Two who ask at once come one after the other.
        Connection.objects.select_for_update(no_key=True).get(pk=connection.pk)
        noted = AuditEntry.objects.filter(workspace=workspace, action=action)
        if noted.filter(**{f"details__{subject}": ticket.deployment}).exists():
            return False
        audit.record(
            workspace=workspace,
            actor=actor,
            action=action,
            target=f"{connection.environment.slug}/{connection.name}",
            details=told,
            now=now,
        )
    return True
