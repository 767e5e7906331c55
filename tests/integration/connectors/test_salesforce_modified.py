"""Which records were modified and deleted is asked page by page, and none is passed over."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from connectors import gateway
from connectors.models import Connection
from integrator.kernel import errors
from tests.integration.connectors.rig import Sandbox

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC).isoformat()


def ask(crm: Connection, action: str, **request: Any) -> Any:
    (answer,) = gateway.call_many(
        connection_id=crm.pk, action=action, requests=[{"object": "Account", "since": LONG_AGO} | request]
    )
    return answer


def change(org: Sandbox, act: str, **data: Any) -> str:
    return str(org.post("changes", object="Account", act=act, **data)["id"])


def test_many_records_of_one_second_come_page_by_page_each_once(crm: Connection, org: Sandbox) -> None:
    made = [change(org, "create", values={"Name": f"No. {number}"}) for number in range(7)]
    change(org, "delete", id=made[3])
    found: list[dict[str, Any]] = []
    place: dict[str, Any] = {}

    while (page := ask(crm, "modified", limit=3, **place))["records"]:
        found += page["records"]
        place = {"since": found[-1]["modified"], "after": found[-1]["id"]}

    assert sorted(one["id"] for one in found) == sorted(made)
    assert [one["id"] for one in found if one["deleted"]] == [made[3]]
    assert not page["more"]


def test_what_left_the_recycle_bin_is_told_as_deleted(crm: Connection, org: Sandbox) -> None:
    org.post("org", skew=-180)  # deleted three minutes ago, since of this minute nothing is told
    kept, gone = (change(org, "create", values={"Name": name}) for name in ("Kept", "Gone"))
    for act in ("delete", "purge"):
        change(org, act, id=gone)
    org.post("org", skew=0)

    told = ask(crm, "deleted")

    assert [one["id"] for one in told["records"]] == [gone]
    assert [one["id"] for one in ask(crm, "modified")["records"]] == [kept]
    assert datetime.fromisoformat(told["covered"]) - datetime.fromisoformat(told["since"]) > timedelta(
        days=14
    )


def test_a_window_with_an_end_leaves_out_what_was_changed_or_deleted_later(
    crm: Connection, org: Sandbox
) -> None:
    org.post("org", skew=-600)
    early, gone = (change(org, "create", values={"Name": name}) for name in ("Early", "Gone"))
    for act in ("delete", "purge"):
        change(org, act, id=gone)
    org.post("org", skew=-180)
    late, gone_late = (change(org, "create", values={"Name": name}) for name in ("Late", "Gone late"))
    for act in ("delete", "purge"):
        change(org, act, id=gone_late)
    org.post("org", skew=0)
    until = (datetime.now(UTC) - timedelta(seconds=360)).isoformat()

    within, all_of_it = (ask(crm, "modified", until=end)["records"] for end in (until, ""))
    gone_within = ask(crm, "deleted", until=until)["records"]

    assert [one["id"] for one in within] == [early]
    assert [one["id"] for one in all_of_it] == [early, late]
    assert [one["id"] for one in gone_within] == [gone]


def test_a_merged_record_names_the_one_that_it_was_merged_into_and_a_deleted_one_none(
    crm: Connection, org: Sandbox
) -> None:
    survivor, loser, deleted, living = (change(org, "create", values={"Name": name}) for name in "ABCD")
    org.post("changes", object="Contact", act="create", values={"LastName": "X", "AccountId": loser})
    change(org, "merge", id=survivor, losers=[loser], values={"Phone": "1"})
    change(org, "delete", id=deleted)

    told = ask(crm, "merged", ids=[survivor, loser[:15], deleted, living])

    assert told == {"merged": {loser: survivor}}
    (contact,) = org.get("records", object="Contact")["records"]
    assert contact["AccountId"] == survivor
    assert isinstance(ask(crm, "merged", object="Payment__c", ids=[loser]), errors.Refused)
    assert isinstance(ask(crm, "merged", ids=["' OR Id != '"]), errors.Refused)


def test_what_is_no_name_no_id_and_no_moment_never_gets_into_a_query(crm: Connection) -> None:
    for request in ({"object": "Account WHERE"}, {"after": "' OR Id != '"}, {"since": "now"}):
        assert isinstance(ask(crm, "modified", **request), errors.Refused)
