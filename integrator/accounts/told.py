"""This module tells an entry of the audit trail in words: what was done, and its details by name."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from integrator.accounts.models import AuditEntry

MOST = 3  # items of a list, which may name hundreds

ACTIONS = {
    "alert.acknowledged": "acknowledged an alert",
    "alert.muted": "muted an alert",
    "alert.unmuted": "let an alert speak again",
    "anomaly.acknowledged": "took care of an anomaly",
    "anomaly.announced": "said that unusual payments are to come",
    "anomaly.changed": "changed what is known to be unusual",
    "anomaly.dismissed": "said of unusual payments that they are no anomaly",
    "anomaly.feedback_forgotten": "forgot what was called no anomaly",
    "anomaly.learnt_anew": "had it learnt anew what is usual",
    "anomaly.taken_back": "took back what was known to be unusual",
    "anomaly.watched": "chose how keenly something is watched",
    "channel.added": "added a channel for alerts",
    "channel.changed": "changed a channel for alerts",
    "channel.deleted": "deleted a channel for alerts",
    "channel.secret_renewed": "renewed the signing secret of a channel for alerts",
    "channel.switched_off": "switched a channel for alerts off",
    "channel.switched_on": "switched a channel for alerts on",
    "channel.tested": "had a test sent to a channel for alerts",
    "case.deleted": "deleted a test case",
    "case.saved": "saved a trial as a test case",
    "connection.created": "created a connection",
    "connection.moved": "moved a connection to another address",
    "connection.credentials_replaced": "replaced the credentials of a connection",
    "connection.paused": "paused a connection",
    "connection.reserve_set": "changed how many API calls are kept for people",
    "connection.resumed": "resumed a connection",
    "connection.tested": "tested a connection",
    "deadletter.discarded": "discarded a dead letter",
    "deadletter.edited": "edited the object of a dead letter and retried it",
    "deadletter.explained": "had a hosted model explain a dead letter",
    "deadletter.mended": "approved a change of a record and retried its dead letter",
    "deadletter.retried": "retried a dead letter",
    "deadletters.assigned": "said who sees to dead letters",
    "deadletters.discarded": "discarded dead letters",
    "deadletters.mend_began": "approved a change for dead letters of one cause, one of them first",
    "deadletters.retried": "retried dead letters",
    "deadletters.retry_began": "had dead letters retried, one of them first",
    "deadletters.retry_stopped": "stopped a retry of dead letters",
    "deadletters.snoozed": "put dead letters off",
    "deadletters.tagged": "tagged dead letters",
    "review.answered": "answered a question",
    "review.discarded": "discarded a question",
    "effect.decided": "decided about an effect",
    "list.downloaded": "downloaded a list as a file",
    "merge.checked": "looked what a merge of records would do",
    "merge.asked": "had records of Salesforce merged",
    "merge.ended": "ended a merge of records",
    "merge.seen": "looked at a merge that had gone wrong",
    "flow.tried": "let a held flow try again",
    "flow.carried_over": "had the live version do what waited for a held one",
    "flow.runs_discarded": "discarded runs that waited for a held version",
    "flow.trial_read": "tried a flow out with what the live systems say",
    "events.catch_up": "had missed events looked for",
    "events.compared": "had objects compared with what was handled",
    "events.looking_changed": "changed how missed events are looked for",
    "flow.created": "made a flow",
    "flow.deployed": "deployed a flow",
    "flow.draft_discarded": "discarded the draft of a flow",
    "flow.edited": "changed the draft of a flow",
    "flow.priority_set": "changed the priority of a flow",
    "flow.published": "published a version of a flow",
    "flow.switched_off": "switched a flow off",
    "flow.switched_on": "switched a flow on",
    "integration.created": "created an integration",
    "customers.read_again": "had known customers read again",
    "match_rules.changed": "changed the match rules",
    "match_rules.learned": "learned from decisions about customers",
    "pair.created": "paired two connections",
    "rate.added": "added exchange rates",
    "rate.replaced": "replaced exchange rates",
    "run.cancelled": "cancelled a run",
    "run.retried": "had a run done once more",
    "rule.added": "added an alert rule",
    "rule.changed": "changed an alert rule",
    "rule.deleted": "deleted an alert rule",
    "rule.moved": "moved an alert rule",
    "rule.switched_off": "switched an alert rule off",
    "rule.switched_on": "switched an alert rule on",
    "savedfix.deleted": "deleted a saved fix",
    "savedfix.kept": "kept an approval as a saved fix",
    "savedfix.paused": "paused a saved fix that acted on too many records",
    "savedfix.switched_off": "switched a saved fix off",
    "savedfix.switched_on": "switched a saved fix on",
    "suggestion.accepted": "accepted a suggested mapping line",
    "suggestion.rejected": "rejected a suggested mapping line",
    "person.added": "added a person",
    "person.removed": "removed a person",
    "person.role_changed": "changed a person's role",
    "token.created": "created a token",
    "token.revoked": "revoked a token",
    "topic.chosen": "had a topic of Salesforce listened to",
    "topic.dropped": "had a topic of Salesforce listened to no more",
    "topic.went_on": "let a topic of Salesforce go on",
    "view.changed": "changed a saved view",
    "view.deleted": "deleted a saved view",
    "view.opened_first": "chose with which view a list opens",
    "view.saved": "saved a view of a list",
    "webhook.added": "added a webhook endpoint",
    "webhook.registered": "registered a webhook endpoint at Stripe",
    "webhook.secret_rolled": "exchanged the secret of a webhook endpoint",
    "workspace.time_zone": "chose the time zone",
    "workspace.created": "created the workspace",
}

# How the names of acts begin -> what they are about.
AREAS = {
    "alert.": "Alerts",
    "anomaly.": "Anomalies",
    "channel.": "Alert channels",
    "rule.": "Alert rules",
    "connection.": "Connections",
    "webhook.": "Webhooks",
    "events.": "Missed events",
    "topic.": "Topics of Salesforce",
    "flow.": "Flows",
    "deadletter": "Dead letters",
    "savedfix": "Saved fixes",
    "review": "Questions",
    "effect": "Effects",
    "merge.": "Merges",
    "run.": "Runs",
    "view.": "Saved views",
    "list.": "Downloads",
    "customers.": "Known customers",
    "match_rules.": "Match rules",
    "rate.": "Exchange rates",
    "person.": "People",
    "token.": "API tokens",
    "integration.": "Integrations",
    "case.": "Test cases",
    "pair.": "Pairs",
    "suggestion.": "Suggestions",
}

_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d.*")


@dataclass(frozen=True, slots=True)
class Detail:
    """One detail of an act: a text, or a moment."""

    name: str
    text: str
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """One entry of the trail, as people read it."""

    entry: AuditEntry
    action: str
    details: Sequence[Detail]


def tell(entry: AuditEntry) -> Told:
    """Return `entry` in words."""
    return Told(
        entry=entry,
        action=ACTIONS.get(entry.action) or _words(entry.action.replace(".", ": ")),
        details=[_detail(name, value) for name, value in entry.details.items()],
    )


def _detail(name: str, value: Any) -> Detail:
    if isinstance(value, str) and _MOMENT.fullmatch(value):
        try:
            return Detail(_words(name), value, datetime.fromisoformat(value))
        except ValueError:
            pass  # it only looks like a moment
    return Detail(_words(name), _text(value))


def _text(value: Any) -> str:
    match value:
        case None | "":
            return "none"
        case bool():
            return "yes" if value else "no"
        case Mapping():
            return ", ".join(f"{_words(str(name))} {_text(part)}" for name, part in value.items()) or "none"
        case list():
            shown = ", ".join(_text(part) for part in value[:MOST]) or "none"
            return f"{shown} and {len(value) - MOST:,} more" if len(value) > MOST else shown
        case _:
            return str(value)


def _words(name: str) -> str:
    return name.replace("_", " ")
