"""
This module prepares an org for flows: what they need there and why, the package of it, and its deployment.

What is listed and packed is what the integration user sees of the org. What is deployed is what an
administrator sees, whose session goes through here and stays nowhere.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from connectors import org_deployment, reading
from connectors.base import Params, Result
from connectors.models import Connection
from connectors.org_deployment import Progress
from connectors.salesforce import contents
from connectors.salesforce.package import selection
from connectors.salesforce.package.choosing import (
    FIELD,
    FLOW,
    MEMBER,
    OBJECT,
    PERMISSIONS,
    Choice,
    Component,
    State,
    choose,
)
from flows import org_needs
from integrator.kernel.errors import IntegrationError, Missing
from integrator.kernel.refusals import Unacceptable

SECONDS = 30.0  # for everything that is asked to make a list
FILE_NAME = selection.FILE_NAME


WORDS = {FLOW: "Flow", MEMBER: "Change Data Capture", PERMISSIONS: "Permission set", OBJECT: "Object"}


@dataclass(frozen=True, slots=True)
class Row:
    """One thing of a list: an object with its fields, or something else."""

    kind: str  # in words
    name: str
    fields: Sequence[str]
    flows: Sequence[str]
    told: str


def rows_of(components: Sequence[Component]) -> list[Row]:
    """Return components by what they belong to: the fields of an object stand in one row with it."""
    groups: dict[tuple[str, str], list[Component]] = {}
    for one in components:
        object_ = one.about.partition(".")[0]
        key = (OBJECT, object_) if one.kind == FIELD else (one.kind, one.name)
        groups.setdefault(key, []).append(one)
    return [_row(kind, name, parts) for (kind, name), parts in groups.items()]


def _row(kind: str, name: str, parts: Sequence[Component]) -> Row:
    fields = [one.about.partition(".")[2] for one in parts if one.kind == FIELD]
    alone = kind == OBJECT and not any(one.kind == OBJECT for one in parts)
    return Row(
        kind="Fields" if alone else WORDS[kind],
        name=name,
        fields=fields,
        flows=list(dict.fromkeys(flow for one in parts for flow in one.flows)),
        told=" ".join(dict.fromkeys(one.told for one in parts if one.told)),
    )


@dataclass(frozen=True, slots=True)
class Listing:
    """What flows need of an org, and how it stands to each of it."""

    flows: Sequence[str]
    choice: Choice
    at: datetime

    @property
    def new(self) -> list[Row]:
        """Return what the package brings."""
        return rows_of(self.choice.those(State.NEW))

    @property
    def poor(self) -> list[Row]:
        """Return what somebody has to see to: it is different, or not of the package."""
        return rows_of(self.choice.those(State.DIFFERENT, State.ELSEWHERE))

    @property
    def unknown(self) -> list[Row]:
        """Return what the integration user could not see."""
        return rows_of(self.choice.those(State.UNKNOWN))

    @property
    def there(self) -> list[Row]:
        """Return what is as it should be."""
        return rows_of(self.choice.those(State.THERE))


def listing(*, connection: Connection, flows: Collection[str] | None, now: datetime) -> Listing:
    """
    Compare what flows need with the org; `flows` are ids, or None for those that are live.

    :raises Unacceptable: if no flow is chosen
    :raises IntegrationError: if the org cannot be asked
    :raises RuntimeError: inside a transaction
    """
    wanted = org_needs.wanted_by(connection, flows)
    if not wanted.flows:
        raise Unacceptable("Choose a flow that can be read.", field="flows")

    def ask(action: str, requests: Sequence[Params]) -> list[Result]:
        answers = reading.read_many(
            connection_id=connection.pk, action=action, requests=requests, deadline=SECONDS
        )
        if action == "describe" and answers:
            first = answers[0]
            if (
                isinstance(first, IntegrationError)
                and not isinstance(first, Missing)
                and all(type(answer) is type(first) for answer in answers)
            ):
                raise first  # about the connection, and not about one object
        return answers

    return Listing(wanted.flows, choose(wanted, contents.look(ask, wanted)), now)


def package(found: Listing) -> bytes:
    """
    Return the zip that brings what is new.

    :raises Unacceptable: if nothing is
    """
    if not found.new:
        raise Unacceptable("The org has everything that the package could bring.", field="flows")
    return selection.packed(found.choice)


def check(
    *, connection: Connection, flows: Collection[str] | None, session: str, actor: str, now: datetime
) -> Progress:
    """
    Let the org check what would be deployed.

    :raises Unacceptable: if no flow is chosen, or the session cannot be taken
    :raises IntegrationError: if the org cannot be asked
    """
    wanted = org_needs.wanted_by(connection, flows)
    if not wanted.flows:
        raise Unacceptable("Choose a flow that can be read.", field="flows")
    return org_deployment.check(connection=connection, wanted=wanted, session=session, actor=actor, now=now)


def look(
    *,
    connection: Connection,
    flows: Collection[str] | None,
    session: str,
    ticket: str,
    actor: str,
    now: datetime,
) -> Progress:
    """
    Return how far a check or a deployment is.

    :raises Unacceptable: if the ticket or the session cannot be taken
    :raises IntegrationError: if the org cannot be asked
    """
    wanted = org_needs.wanted_by(connection, flows)
    return org_deployment.look(
        connection=connection, wanted=wanted, session=session, ticket=ticket, actor=actor, now=now
    )


def deploy(
    *,
    connection: Connection,
    flows: Collection[str] | None,
    session: str,
    ticket: str,
    actor: str,
    now: datetime,
) -> Progress:
    """
    Deploy what was checked.

    :raises Unacceptable: if it was not checked, or something has changed since
    :raises IntegrationError: if the org cannot be asked
    """
    wanted = org_needs.wanted_by(connection, flows)
    return org_deployment.deploy(
        connection=connection, wanted=wanted, session=session, ticket=ticket, actor=actor, now=now
    )
