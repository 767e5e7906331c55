"""This module is the one policy table: which role may do what."""

from __future__ import annotations

from django.db.models import TextChoices


class Role(TextChoices):
    """What a person or a program is in a workspace."""

    VIEWER = "viewer", "Viewer"
    DESIGNER = "designer", "Designer"
    OPERATOR = "operator", "Operator"
    APPROVER = "approver", "Approver"
    FINANCE = "finance", "Finance"
    ADMIN = "admin", "Administrator"
    AUDITOR = "auditor", "Auditor"


EVERYBODY = frozenset(Role)

# permission -> the roles that have it. A route declares one of these names or fails a test.
POLICY: dict[str, frozenset[Role]] = {
    "dashboard.view": EVERYBODY,
    "alerts.view": EVERYBODY,
    "alerts.manage": frozenset({Role.OPERATOR, Role.ADMIN}),
    # Channels and rules hold in the whole workspace, and so must the role.
    "alerts.route": frozenset({Role.ADMIN}),
    "runs.view": EVERYBODY,
    "runs.retry": frozenset({Role.OPERATOR, Role.ADMIN}),
    "runs.cancel": frozenset({Role.OPERATOR, Role.ADMIN}),
    "views.save": EVERYBODY,
    "runs.payload": frozenset({Role.DESIGNER, Role.OPERATOR, Role.ADMIN}),
    "deadletters.retry": frozenset({Role.OPERATOR, Role.ADMIN}),
    "deadletters.discard": frozenset({Role.OPERATOR, Role.ADMIN}),
    "deadletters.arrange": frozenset({Role.OPERATOR, Role.ADMIN}),
    "deadletters.mend": frozenset({Role.OPERATOR, Role.ADMIN}),
    "deadletters.edit_money": frozenset({Role.ADMIN}),
    "deadletters.explain": frozenset({Role.OPERATOR, Role.ADMIN}),
    "reviews.answer": frozenset({Role.OPERATOR, Role.ADMIN}),
    # Which approvals a role may decide says each of them; people that it names may have any of these.
    "approvals.decide": EVERYBODY - {Role.AUDITOR},
    "match_rules.manage": frozenset({Role.ADMIN}),
    "effects.decide": frozenset({Role.OPERATOR, Role.ADMIN}),
    # It shows whole records, whatever else the role may see.
    "records.merge": frozenset({Role.OPERATOR, Role.APPROVER, Role.ADMIN}),
    "connections.view": EVERYBODY,
    "connections.manage": frozenset({Role.ADMIN}),
    "connections.pause": frozenset({Role.OPERATOR, Role.ADMIN}),
    "budgets.view": EVERYBODY,
    "budgets.manage": frozenset({Role.OPERATOR, Role.ADMIN}),
    "schemas.refresh": frozenset({Role.DESIGNER, Role.OPERATOR, Role.ADMIN}),
    "events.catch_up": frozenset({Role.OPERATOR, Role.ADMIN}),
    "flows.view": EVERYBODY,
    "flows.edit": frozenset({Role.DESIGNER, Role.ADMIN}),
    "flows.deploy": frozenset({Role.APPROVER, Role.ADMIN}),
    "flows.release": frozenset({Role.OPERATOR, Role.ADMIN}),
    "rates.view": EVERYBODY,
    "rates.manage": frozenset({Role.FINANCE, Role.ADMIN}),
    "people.view": EVERYBODY,
    "people.manage": frozenset({Role.ADMIN}),
    "tokens.view": frozenset({Role.ADMIN, Role.AUDITOR}),
    "tokens.manage": frozenset({Role.ADMIN}),
    "audit.view": frozenset({Role.ADMIN, Role.AUDITOR}),
    "workspace.view": EVERYBODY,
    "workspace.manage": frozenset({Role.ADMIN}),
    "health.view": EVERYBODY,
    "status.view": frozenset({Role.OPERATOR, Role.ADMIN}),
}

# What each permission lets somebody do, as it is said to whom it is refused.
MEANING: dict[str, str] = {
    "dashboard.view": "see the overview",
    "alerts.view": "see alerts",
    "alerts.manage": "acknowledge or mute alerts",
    "alerts.route": "set up whom alerts reach",
    "runs.view": "see runs and events",
    "runs.retry": "retry runs",
    "runs.cancel": "cancel runs",
    "views.save": "save views of lists",
    "runs.payload": "see the content of events",
    "deadletters.retry": "retry dead letters",
    "deadletters.discard": "discard dead letters",
    "deadletters.arrange": "assign, put off or tag dead letters",
    "deadletters.mend": "edit dead letters, approve their remedies or keep these as rules",
    "deadletters.edit_money": "change amounts or currencies in dead letters",
    "deadletters.explain": "have a hosted model explain dead letters",
    "reviews.answer": "answer questions",
    "approvals.decide": "approve or decline",
    "match_rules.manage": "change when a customer is taken for one that is known",
    "effects.decide": "decide about effects",
    "records.merge": "compare records of Salesforce and merge them",
    "connections.view": "see connections",
    "connections.manage": "set up connections",
    "connections.pause": "pause connections",
    "budgets.view": "see what API calls are used for",
    "budgets.manage": "change which flows go first, or how many API calls are kept for people",
    "schemas.refresh": "ask Salesforce again what its objects consist of",
    "events.catch_up": "look for missed events",
    "flows.view": "see flows",
    "flows.edit": "change flows",
    "flows.deploy": "deploy flows or switch them on and off",
    "flows.release": "let a held flow try again",
    "rates.view": "see exchange rates",
    "rates.manage": "add or replace exchange rates",
    "people.view": "see who belongs to the workspace",
    "people.manage": "add people or change their roles",
    "tokens.view": "see the API tokens",
    "tokens.manage": "make or revoke API tokens",
    "audit.view": "see the audit trail",
    "workspace.view": "see the settings of the workspace",
    "workspace.manage": "change the settings of the workspace",
    "health.view": "see whether the product is well",
    "status.view": "see what the doctor finds about the installation",
}


def allowed(role: str, permission: str) -> bool:
    """
    Tell whether `role` has `permission`.

    :raises KeyError: if the policy table knows no such permission, so that a typing error denies loudly
    """
    return role in POLICY[permission]
