"""This module is Salesforce as flows may ask of it: the table of its actions and who does each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

from connectors.base import Account, Action, Connector, Diagnosis, Identity, Params, Result
from connectors.salesforce import auth, deploying, diagnosis, effects, merging, reads, sessions, writes
from connectors.salesforce.batches import MOST_RECORDS
from connectors.salesforce.ids import as_18
from integrator.kernel.errors import IntegrationError


class Salesforce(Connector):
    """Salesforce, logged in as an integration user."""

    slug: ClassVar[str] = "salesforce"
    label: ClassVar[str] = "Salesforce"
    actions: ClassVar[Mapping[str, Action]] = {
        "upsert": Action("upsert", "Create or update a record", writes=True, batch=MOST_RECORDS),
        "update": Action("update", "Update a record", writes=True, batch=MOST_RECORDS),
        "start_flow": Action("start_flow", "Start a Flow", writes=True, batch=MOST_RECORDS),
        "publish": Action("publish", "Publish a platform event", writes=True, batch=MOST_RECORDS),
        "merge": Action("merge", "Merge records", writes=True, batch=1),
        "deploy": Action("deploy", "Deploy a package", writes=True, batch=1),
        "query": Action("query", "Find records", writes=False, batch=1),
        "find": Action("find", "Look records up", writes=False, batch=1),
        "describe": Action("describe", "Describe an object", writes=False, batch=1),
        "describe_global": Action("describe_global", "List the objects", writes=False, batch=1),
        "picklist_values": Action("picklist_values", "Read a record type's values", writes=False, batch=1),
        "limits": Action("limits", "Read the limits", writes=False, batch=1),
        "topic": Action("topic", "Look at a topic of the event bus", writes=False, batch=1),
        "setup_query": Action("setup_query", "Find what an administrator has set up", writes=False, batch=1),
        "deployment": Action("deployment", "Look how far a deployment is", writes=False, batch=1),
        "modified": Action("modified", "List what was modified", writes=False, batch=1),
        "deleted": Action("deleted", "List what was deleted", writes=False, batch=1),
        "merged": Action("merged", "Look what records were merged into", writes=False, batch=1),
    }

    def perform(
        self, account: Account, action: str, requests: Sequence[Params], *, deadline: float
    ) -> list[Result]:
        """
        Do `action` once per request. What each takes, and gives:

        - `upsert`: `object`, `external_id_field`, `external_id`, `values`, and `allow_duplicates` to save it
          although a duplicate rule that leaves this open finds others; gives `id`, `created`
        - `update`: `object`, `id`, `values`, `allow_duplicates` as above; gives `id`, `created` (false)
        - `start_flow`: `flow` (API name), `inputs`; gives `outputs`, `status`
        - `publish`: `event` (API name), `values`; gives `id`
        - `merge`: `object`, `master`, `losers` (ids), `values`; gives `id`, `merged`, `moved` (ids)
        - `deploy`: `content` (the zip), `check_only`; gives `id`. With the session of a guest only
        - `deployment`: `id`; gives what became of it, as Salesforce words it
        - `setup_query`: as `query`, of what the Tooling API lists
        - `query`: `soql` with `{name}` where the `bindings` go; gives `records`
        - `find`: `object`, `field`, `values`, `fields`; gives `records`, whose `field` has one of the values;
          no more than `limit`, where that is given
        - `describe`: `object`; gives the description with `last_modified`. Given an earlier one as `since`,
          it gives only `unchanged` where that is so
        - `describe_global`: gives what there is to say of every object as `sobjects`; `since` as above
        - `picklist_values`: `object`, `record_type` (its id); gives `picklists`, the values of each by the
          names of the fields, or only `refused` where the org does not tell
        - `limits`: gives the limits
        - `topic`: `topic` (its name on the event bus); gives `topic`, `schema_id`, `can_subscribe`
        - `modified`: `object`, `since`, `until`, `after`, `limit`; gives `object`, a page of `records`,
          `more`, `answered_at`
        - `deleted`: `object`, `since`, `until`; gives `records`, `since`, `covered`
        - `merged`: `object`, `ids`; gives `merged`, the ids of what they were merged into by theirs

        Values to write may name a record type: `{"RecordType": {"DeveloperName": "Partner"}}`. A record of
        `query` and `find` holds look-ups as objects and sub-queries as lists.

        :raises KeyError: if there is no such action
        """
        if action in WRITES:
            return WRITES[action](account, requests, deadline=deadline)
        return reads.read(account, action, requests, deadline=deadline)

    def identity(self, account: Account, *, deadline: float) -> Identity:
        """
        Return the org of the session that writes would use.

        :raises IntegrationError: if no session can be had
        """
        if account.guest:
            return Identity(_org_of_guest(account, deadline=deadline))
        token = auth.obtain(account, deadline=deadline)
        sessions.use_next(account, token)
        return Identity(token.org_id)

    def test(self, account: Account) -> Diagnosis:
        """Log in anew and say precisely what is wrong, or which org it leads to."""
        return diagnosis.of(account)


def _org_of_guest(account: Account, *, deadline: float) -> str | None:
    """Return the org that a lent session leads to, by the org's own word."""
    asked = [{"soql": "SELECT Id FROM Organization"}]
    (answer,) = reads.read(account, "query", asked, deadline=deadline)
    if isinstance(answer, IntegrationError):
        raise answer
    return next((as_18(str(row.get("Id"))) for row in answer["records"]), None)


WRITES: Mapping[str, Callable[..., list[Result]]] = {
    "upsert": writes.upsert,
    "update": writes.update,
    "start_flow": effects.start_flow,
    "publish": effects.publish,
    "merge": merging.merge,
    "deploy": deploying.deploy,
}
