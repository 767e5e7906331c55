"""
This module examines whether a connection is ready for work: everything that the product needs, one by one.

It only reads. What is asked goes through the gateway, so that it keeps to the budget and the pauses.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.utils.module_loading import import_string

from connectors import connections, credentials, gateway
from connectors.base import Diagnosis, Params, Result
from connectors.checks import Check, State
from connectors.models import Connection
from connectors.salesforce import contents, flow_readiness
from connectors.salesforce import readiness as salesforce
from connectors.salesforce.package import source
from connectors.salesforce.package.choosing import Found, choose
from connectors.salesforce.package.needs import needs_of
from connectors.salesforce.package.rights import SET
from connectors.salesforce.package.wanted import Wanted
from connectors.stripe import readiness as stripe
from connectors.stripe.client import SECRET_KEY
from connectors.stripe.schema import event_types
from integrator.kernel.errors import IntegrationError

LOGIN = "Login"
DEADLINE_SECONDS = 40.0  # two dozen descriptions, six at a time, each of which may take seconds

Ask = Callable[[str, Sequence[Params]], list[Result]]


@dataclass(frozen=True, slots=True)
class Group:
    """The checks under one heading: those that need a look, problems first, and those that are well."""

    title: str
    poor: tuple[Check, ...]
    good: tuple[Check, ...]


@dataclass(frozen=True, slots=True)
class Readiness:
    """What an examination found."""

    checks: tuple[Check, ...]
    at: datetime | None = None  # when it was looked

    @property
    def ready(self) -> bool:
        """Tell whether nothing keeps flows from working."""
        return not self.count(State.PROBLEM)

    def count(self, state: State) -> int:
        """Return how many checks ended so."""
        return sum(check.state is state for check in self.checks)

    @property
    def problems(self) -> int:
        """Return how many things have to be put right."""
        return self.count(State.PROBLEM)

    @property
    def warnings(self) -> int:
        """Return how many things are worth a look."""
        return self.count(State.WARNING)

    @property
    def groups(self) -> list[Group]:
        """Return the checks by heading, in the order in which they were made."""
        return [self._group(title) for title in dict.fromkeys(check.group for check in self.checks)]

    def _group(self, title: str) -> Group:
        def those(state: State) -> tuple[Check, ...]:
            return tuple(check for check in self.checks if check.group == title and check.state is state)

        return Group(title, poor=(*those(State.PROBLEM), *those(State.WARNING)), good=those(State.OK))


def examine(*, connection: Connection, public_url: str, actor: str, now: datetime) -> Readiness:
    """
    Log in, look at everything that the product needs at the other side, and say what to do about each.

    The login is a test like any other: it pins the account and ends a rest. `public_url` is where this
    product answers.

    :raises RuntimeError: inside a transaction
    """
    diagnosis = connections.test(connection=connection, actor=actor, now=now)
    checks = list(_login(connection, diagnosis))
    if diagnosis.ok and connection.state == Connection.State.ACTIVE:
        checks += EXAMINERS[connection.system](connection, _asker(connection), public_url, diagnosis)
    return Readiness(tuple(checks), now)


def _login(connection: Connection, diagnosis: Diagnosis) -> Iterator[Check]:
    if not diagnosis.ok:
        yield Check(LOGIN, diagnosis.title, State.PROBLEM, diagnosis.explanation, diagnosis.remedy)
        return
    yield Check(LOGIN, diagnosis.title, State.OK, diagnosis.explanation)
    told = "Before every write the account is compared with it."
    yield Check(LOGIN, f"{connection.pinned_account} is pinned", State.OK, told)
    yield Check(LOGIN, f"The API version {connection.api_version} is spoken there", State.OK)
    skew = diagnosis.details.get("clock_skew")
    if skew is not None:
        yield Check(LOGIN, "The clocks agree", State.OK, f"They are {abs(skew)} s apart.")
    if connection.state != Connection.State.ACTIVE:
        yield Check(
            LOGIN,
            f"The connection is {connection.get_state_display().lower()}",
            State.PROBLEM,
            "Nothing else was looked at.",
            "Resume the connection, then check again.",
        )


def _stripe(connection: Connection, ask: Ask, public_url: str, diagnosis: Diagnosis) -> Iterator[Check]:
    account = credentials.account_for(connection, credentials.sealed_of(connection))
    yield from stripe.key(account.secret(SECRET_KEY), diagnosis.details)
    kinds = list(stripe.PERMISSIONS)
    # One object says whether reading is allowed; of the endpoints all are wanted.
    requests = [{"type": kind, "limit": 100 if kind == "webhook_endpoint" else 1} for kind in kinds]
    answers = dict(zip(kinds, ask("list", requests), strict=True))
    yield from stripe.rights(answers)
    addresses = [
        stripe.Address(public_url.rstrip("/") + str(endpoint), endpoint.stripe_id, endpoint.enabled)
        for endpoint in connection.webhook_endpoints.order_by("id")
    ]
    yield from stripe.webhooks(addresses, answers["webhook_endpoint"], event_types_of(connection))


def _salesforce(connection: Connection, ask: Ask, public_url: str, diagnosis: Diagnosis) -> Iterator[Check]:
    wanted = wanted_of(connection)
    needed = needs_of(wanted) if wanted.flows else None
    names = sorted({*salesforce.names(), *(needed.objects if needed else ())})
    descriptions = dict(zip(names, ask("describe", [{"object": name} for name in names]), strict=True))
    username = connection.settings["username"]
    queries = [
        (salesforce.ASSIGNED, {"names": [source.PERMISSION_SET, SET], "username": username}),
        (salesforce.FLOWS, {"names": [name for name, _ in source.flows()]}),
        (salesforce.DUPLICATE_RULES, {}),
    ]
    asked = [{"soql": soql, "bindings": bindings} for soql, bindings in queries]
    assigned, flows, rules = ask("query", asked)
    (limits,) = ask("limits", [{}])
    if needed is not None:
        yield from _flows_in_use(connection, ask, wanted, descriptions, rules)
    yield from salesforce.objects(descriptions, needed)
    yield salesforce.permission_set(assigned)
    yield from salesforce.flows(flows, None if needed is None else needed.flows)
    yield salesforce.budget(limits)
    if needed is None or isinstance(rules, IntegrationError):
        yield salesforce.duplicate_rules(rules)
    yield from salesforce.org(descriptions["Account"])


def _flows_in_use(
    connection: Connection, ask: Ask, wanted: Wanted, descriptions: dict[str, Result], rules: Result
) -> Iterator[Check]:
    """Judge what the package alone does not tell: topics, what it does not have, currencies, record types."""
    topics = flow_readiness.topics(wanted)
    told = dict(zip(topics, ask("topic", [{"topic": name} for name in topics]), strict=True))
    entities = contents.members(ask) if wanted.captured else None
    heard = list(connection.topics.values_list("name", flat=True))
    yield from flow_readiness.foreign(choose(wanted, Found(descriptions)))
    yield from flow_readiness.changes(wanted, entities, told, heard)
    yield from flow_readiness.events(wanted, told, heard)
    yield from flow_readiness.record_types(wanted, descriptions)
    if check := flow_readiness.duplicate_rules(wanted, rules):
        yield check
    account = descriptions["Account"]
    if not isinstance(account, IntegrationError) and salesforce.has_currencies(account):
        (known,) = ask("query", [{"soql": flow_readiness.CURRENCIES, "bindings": {}}])
        yield flow_readiness.currencies(_currencies_of(wanted), known)


def wanted_of(connection: Connection) -> Wanted:
    """Return what live flows want of an org, by word of whoever knows flows: `settings.ORG_NEEDS`."""
    told: Wanted = import_string(settings.ORG_NEEDS)(connection)
    return told


def event_types_of(connection: Connection) -> dict[str, tuple[str, ...]]:
    """
    Return for which events live flows wait that an endpoint can send, with the names of the flows.

    By word of whoever knows flows: `settings.STRIPE_NEEDS`.
    """
    told: dict[str, tuple[str, ...]] = import_string(settings.STRIPE_NEEDS)(connection)
    sent = event_types()  # thin events come another way
    return {kind: flows for kind, flows in told.items() if kind in sent}


def _currencies_of(wanted: Wanted) -> set[str]:
    """Return the currencies of the newest charges and prices at Stripe, and the one of each account."""
    found: set[str] = set()
    for connection_id in wanted.billing:
        connection = Connection.objects.get(pk=connection_id)
        ask = _asker(connection)
        listed = ask("list", [{"type": kind, "limit": 100} for kind in ("charge", "price")])
        rows = [
            row for answer in listed if not isinstance(answer, IntegrationError) for row in answer["objects"]
        ]
        (account,) = ask("account", [{}])
        own = (
            ""
            if isinstance(account, IntegrationError)
            else str(account["object"].get("default_currency") or "")
        )
        found |= {str(row.get("currency")) for row in rows if row.get("currency")} | ({own} if own else set())
    return found


def _asker(connection: Connection) -> Ask:
    """Return what asks through the gateway, with one deadline for all that is asked."""
    ends = time.monotonic() + DEADLINE_SECONDS

    def ask(action: str, requests: Sequence[Params]) -> list[Result]:
        return gateway.call_many(
            connection_id=connection.pk,
            action=action,
            requests=requests,
            deadline=max(0.0, ends - time.monotonic()),
        )

    return ask


EXAMINERS: dict[str, Callable[[Connection, Ask, str, Diagnosis], Iterator[Check]]] = {
    "stripe": _stripe,
    "salesforce": _salesforce,
}
