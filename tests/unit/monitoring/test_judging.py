"""What is wrong follows from facts and the time alone: its kind, its words, and the page that helps."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from monitoring.conditions import KINDS, Place, Severity
from monitoring.facts import (
    MB,
    Cause,
    Changed,
    Disk,
    Facts,
    Failing,
    Held,
    Pending,
    Resting,
    Running,
    Silent,
    Standstill,
    Told,
    Unequal,
    Unusual,
)
from monitoring.judging import judge
from tests.builders import NOON

HERE = Place(workspace_id=1, environment_id=2, path="/w/acme/dev/")
WHOLE = Place(workspace_id=1, environment_id=None, path="/w/acme/dev/")

RESTING = Resting(
    place=HERE,
    public_id="conn1",
    name="Salesforce EMEA",
    reason="The server does not answer.",
    needs_key=False,
    until=NOON + timedelta(seconds=40),
    pinned="00D1",
)
CAUSE = Cause(
    place=HERE,
    fingerprint="f" * 64,
    count=12,
    newest=77,
    title="A value is not acceptable",
    field="Country__c",
    flow="Payments",
    suggestion="Correct the value in Stripe, then retry.",
    internal=False,
)
CHANGED = Changed(
    place=HERE,
    deployment=9,
    flow="flow1",
    name="Payments",
    objects=["Payment__c"],
    fails=True,
    lines=1,
    events=0,
    failing=0,
)
TOLD = Told(
    place=HERE,
    kind="flow_alert",
    severity=Severity.WARNING,
    title="A big refund",
    text="More than 1,000.",
    count=1,
    newest=5,
    flow="flow1",
    run="run1",
)


def only(facts: Facts):
    (condition,) = judge(facts, now=NOON)
    return condition


def test_nothing_is_wrong_where_there_is_nothing():
    assert judge(Facts(), now=NOON) == []


@pytest.mark.parametrize(
    ("changes", "kind", "severity"),
    [
        pytest.param(
            {"needs_key": True, "until": NOON + timedelta(minutes=5)},
            "connection_key",
            Severity.CRITICAL,
            id="a refused key waits for a person",
        ),
        pytest.param(
            {"until": None, "reason": "The credential leads to 00D2, but this connection is for 00D1."},
            "connection_misdirected",
            Severity.CRITICAL,
            id="the firewall stopped it",
        ),
        pytest.param(
            {"reason": "TotalRequests Limit exceeded."},
            "connection_limit",
            Severity.WARNING,
            id="the system speaks of a limit",
        ),
        pytest.param(
            {"used": 100_000, "limit": 100_000}, "connection_limit", Severity.WARNING, id="the calls are used"
        ),
        pytest.param(
            {"until": NOON + timedelta(minutes=15)},
            "connection_limit",
            Severity.WARNING,
            id="no outage rests for a quarter of an hour",
        ),
        pytest.param(
            {"reason": "90000 of the 100000 API calls for 24 hours are used; the rest is kept for people."},
            "connection_limit",
            Severity.WARNING,
            id="the share is used",
        ),
        pytest.param({}, "connection_outage", Severity.WARNING, id="nothing answers"),
    ],
)
def test_a_resting_connection_is_told_by_its_cause(changes, kind, severity):
    found = only(Facts(resting=[replace(RESTING, **changes)]))

    assert (found.kind, found.severity) == (kind, severity)
    assert found.link == "/w/acme/dev/connections/conn1/"


def test_a_misdirected_connection_names_both_accounts():
    reason = "The credential leads to 00D2, but this connection is for 00D1."

    found = only(Facts(resting=[replace(RESTING, until=None, reason=reason)]))

    assert "leads to 00D2" in found.text
    assert "pinned to 00D1" in found.text
    assert "nothing is lost" in found.text


def test_a_limit_says_when_all_will_be_done():
    limited = replace(
        RESTING,
        reason="Limit exceeded.",
        until=NOON + timedelta(minutes=14, seconds=10),
        used=100_000,
        limit=100_000,
        waiting=1240,
        per_minute=100.0,
    )

    text = only(Facts(resting=[limited])).text

    assert text.startswith("Limit exceeded. 100,000 of 100,000 calls in 24 hours are used. It is tried again")
    assert "tried again at about 12:15 UTC" in text
    # 12:14:10 and 12.4 minutes, rounded up to five.
    assert "1,240 runs wait; at the speed of the last hour all is done at about 12:30 UTC" in text


def test_without_any_speed_nobody_guesses_when_it_is_done():
    text = only(Facts(resting=[replace(RESTING, reason="Limit exceeded.", waiting=1)])).text

    assert "1 run waits." in text
    assert "done at" not in text


def test_a_held_flow_names_its_reason():
    held = Held(HERE, 9, "flow1", "Payments", "The field Fee__c is not there.", NOON + timedelta(minutes=5))

    found = only(Facts(held=[held]))

    assert found.kind == "flow_held"
    assert found.text.startswith("The field Fee__c is not there. Its runs wait")
    assert "12:05 UTC" in found.text


@pytest.mark.parametrize(
    ("fails", "severity", "words"),
    [
        pytest.param(True, Severity.WARNING, "1 line would fail.", id="it fails, and people are mailed"),
        pytest.param(False, Severity.INFO, "1 line may fail.", id="it may fail"),
    ],
)
def test_a_change_under_a_flow_matters_as_much_as_what_it_does(fails, severity, words):
    found = only(Facts(changed=[replace(CHANGED, fails=fails)]))

    assert found.severity == severity
    assert words in found.text
    assert "events" not in found.text  # none was looked at


def test_dead_letters_of_one_cause_are_one_incident():
    found = only(Facts(causes=[CAUSE]))

    assert (found.kind, found.count, found.newest) == ("dead_letters", 12, 77)
    assert found.title == "Payments: 12 dead letters: A value is not acceptable (Country__c)"
    assert found.link.endswith(f"/dead-letters/causes/{'f' * 64}/")


def test_a_fault_of_the_product_is_critical():
    found = only(Facts(causes=[replace(CAUSE, internal=True)]))

    assert (found.kind, found.severity) == ("internal_failure", Severity.CRITICAL)


def test_work_stands_still_only_if_nothing_is_taken():
    waiting = NOON - timedelta(seconds=60)
    idle = Standstill(waiting, NOON - timedelta(seconds=50))
    busy = Standstill(waiting, NOON - timedelta(seconds=2))
    fresh = Standstill(NOON - timedelta(seconds=3), None)

    assert [c.kind for c in judge(Facts(everywhere=[WHOLE], standstill=idle), now=NOON)] == ["standstill"]
    assert judge(Facts(everywhere=[WHOLE], standstill=busy), now=NOON) == []
    assert judge(Facts(everywhere=[WHOLE], standstill=fresh), now=NOON) == []


def test_the_installations_troubles_are_told_to_each_workspace_by_itself():
    other = Place(workspace_id=8, environment_id=None, path="/w/globex/dev/")
    still = Standstill(NOON - timedelta(minutes=2), None)

    found = judge(Facts(everywhere=[WHOLE, other], standstill=still), now=NOON)

    assert [(c.workspace_id, c.environment_id) for c in found] == [(1, None), (8, None)]


def test_the_feed_is_late_after_a_minute():
    late, soon = NOON - timedelta(seconds=61), NOON - timedelta(seconds=50)

    assert only(Facts(everywhere=[WHOLE], feed_since=late)).kind == "feed"
    assert judge(Facts(everywhere=[WHOLE], feed_since=soon), now=NOON) == []


def test_a_disk_is_told_of_before_it_is_full_and_matters_more_when_it_nearly_is():
    def of(gigabytes: int, *, embedded: bool = True) -> Facts:
        return Facts(everywhere=[WHOLE], disk=Disk(gigabytes * 1000 * MB, 100_000 * MB, embedded=embedded))

    assert judge(of(11), now=NOON) == []
    early, late = only(of(9)), only(of(1))
    assert (early.severity, early.title) == (Severity.WARNING, "Room on the disk is getting short")
    assert (late.severity, late.title) == (Severity.CRITICAL, "The disk is nearly full")
    assert early.key == late.key  # it is one incident
    assert early.text.startswith("9% free (9.0 GB) where the database stands.")
    assert "is not looked at from here" in only(of(9, embedded=False)).text


def test_notices_name_the_newest_and_count_the_others():
    found = only(Facts(told=[replace(TOLD, count=3, others=["First", "Second"])]))

    assert found.title == "A big refund"
    assert found.text == "More than 1,000. 2 more like it: First, Second."
    assert found.link == "/w/acme/dev/runs/run1/"


def test_an_hour_that_does_not_add_up_says_by_how_much():
    found = only(Facts(unequal=[Unequal(HERE, "Stripe", NOON, 100, 97)]))

    assert found.title == "Stripe: 3 events cannot be accounted for"
    assert "100 were received, and 97 have a fate" in found.text


EVERYTHING = Facts(
    everywhere=[WHOLE],
    resting=[
        RESTING,
        replace(RESTING, public_id="conn2", needs_key=True),
        replace(RESTING, public_id="conn3", until=None),
        replace(RESTING, public_id="conn4", reason="Limit exceeded."),
    ],
    running=[Running(HERE, "conn6", "CRM", 70_000, 90_000, NOON + timedelta(hours=5))],
    held=[Held(HERE, 9, "flow1", "Payments", "Why.", None)],
    changed=[CHANGED],
    causes=[CAUSE, replace(CAUSE, fingerprint="e" * 64, internal=True)],
    in_doubt=[Pending(HERE, 1, 1)],
    reviews=[Pending(HERE, 2, 4)],
    merges=[Pending(HERE, 1, 5)],
    crashed=[Pending(HERE, 1, 0)],
    standstill=Standstill(NOON - timedelta(hours=1), None),
    feed_since=NOON - timedelta(hours=1),
    walks=[Failing(HERE, "conn1:events", "Stripe", "No permission.", "connections/conn1/")],
    topics=[Failing(HERE, "conn5:/event/Paid__e", "CRM", "Nobody listens.", "connections/conn5/topics/")],
    customers=[Failing(HERE, "conn5:Account", "CRM: Accounts", "No such column.", "duplicates/")],
    disk=Disk(100 * MB, 1_000_000 * MB, embedded=True),
    duties=[Failing(WHOLE, "mail", "mail", "ValueError.")],
    told=[
        TOLD,
        *(
            replace(TOLD, kind=kind)
            for kind in ("other_body", "api_version", "missing_rate", "loop", "saved_fix")
        ),
    ]
    + [replace(TOLD, kind=kind, run="", flow="") for kind in ("missing_event", "gap", "notice")],
    unequal=[Unequal(HERE, "Stripe", NOON, 2, 1)],
    silent=[Silent(HERE, "conn1", "Stripe", 7)],
    unusual=[Unusual(HERE, "anom1", "Stripe", "outage", "No charges came.", grave=True)],
    mail=[Failing(WHOLE, "server", "mail", "Connection refused.", "alerts/")],
    channels=[Failing(WHOLE, "ch1", "Slack", "It answered 404 no_service.", "alerts/channels/")],
)


def test_every_kind_of_incident_can_be_told():
    assert {condition.kind for condition in judge(EVERYTHING, now=NOON)} == set(KINDS)


@pytest.mark.parametrize("condition", judge(EVERYTHING, now=NOON), ids=lambda condition: condition.kind)
def test_every_text_is_whole(condition):
    assert condition.text.endswith((".", "!"))
    assert "  " not in condition.text
    assert ".." not in condition.text
    assert len(condition.title) <= 200
    assert condition.link.startswith("/w/acme/dev/")


def test_no_two_incidents_share_a_key():
    keys = [condition.key for condition in judge(EVERYTHING, now=NOON)]

    assert len(keys) == len(set(keys)) == 34
