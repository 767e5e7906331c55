"""This module tests how the customers of an org are read, kept up to date and forgotten."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core.management import call_command

from connectors.models import Connection
from flows import directories, streams
from flows.matching import Answered
from flows.models import Directory, KnownRecord, Pair
from flows.recognising import keeping, opening
from flows.recognising.sealing import Seal
from integrator.kernel.errors import Transient
from monitoring import alerts, gathering
from tests.builders import NOON
from tests.integration.flows.given import a_live_flow
from tests.integration.flows.test_recognising import ACME, HOEFER, a_directory, ask, know, said

pytestmark = pytest.mark.django_db

ROW = {"Name": "Höfer GmbH", "Phone": "0731 5551234", "BillingCity": "Ulm", "BillingCountry": "DE"}


class Org:
    """An org with accounts, as the walk asks it."""

    def __init__(self) -> None:
        self.rows: dict[str, dict[str, Any]] = {}
        self.deleted: list[str] = []
        self.merged: dict[str, str] = {}
        self.asked: list[str] = []

    def put(self, number: int, at: datetime = NOON, **fields: Any) -> str:
        id = f"001000000000{number:03d}AAA"
        self.rows[id] = {"Id": id, "SystemModstamp": at.isoformat(), **ROW, **fields}
        return id

    def ask(self, connection: Connection, action: str, request: dict[str, Any]) -> dict[str, Any]:
        self.asked.append(action)
        if action == "deleted":
            return {"records": [{"id": id} for id in self.deleted], "covered": request["since"]}
        if action == "merged":
            return {"merged": {id: self.merged[id] for id in request["ids"] if id in self.merged}}
        if action == "find":
            return {"records": [self.rows[id] for id in request["values"] if id in self.rows]}
        bound = request["bindings"]
        place = (bound["since"], bound.get("after", ""))
        rows = sorted(self.rows.values(), key=lambda row: (row["SystemModstamp"], row["Id"]))
        stamped = ((datetime.fromisoformat(row["SystemModstamp"]), row["Id"], row) for row in rows)
        return {"records": [row for at, id, row in stamped if (at, id) > place][: directories.PAGE]}


@pytest.fixture
def org(monkeypatch: pytest.MonkeyPatch, pair: Pair) -> Org:
    org = Org()
    monkeypatch.setattr(streams, "ask", org.ask)
    monkeypatch.setattr(directories, "PAGE", 2)
    opening.begin(pair.salesforce_id, "Account", now=NOON)
    return org


def known() -> list[str]:
    return sorted(KnownRecord.objects.values_list("record_id", flat=True))


def test_an_org_is_read_page_by_page_and_then_kept_up_to_date(org: Org) -> None:
    ids = [org.put(number) for number in range(5)]
    assert directories.read_due(now=NOON) == 5
    directory = Directory.objects.get()
    assert (known(), directory.read, directory.complete_at) == (ids, 5, NOON)

    later = NOON + timedelta(minutes=20)
    ids.append(org.put(7, later, Name="Beta AG"))
    del org.rows[ids[0]]
    org.deleted.append(ids.pop(0))
    directories.read_due(now=later)

    assert known() == ids


def test_a_load_of_many_records_in_one_moment_is_not_read_for_ever(org: Org) -> None:
    for number in range(5):
        org.put(number)
    directories.read_due(now=NOON)
    directories.read_due(now=NOON + directories.SETTLED)  # what was stamped before and committed late

    later = NOON + 2 * directories.SETTLED
    assert directories.read_due(now=later) == 0


def test_what_was_said_of_a_record_holds_for_the_one_that_it_was_merged_into(org: Org) -> None:
    first, second, third = (org.put(number) for number in range(3))
    directories.read_due(now=NOON)
    directory = Directory.objects.get()
    said(directory, first)
    org.deleted, org.merged = [first, second], {first: second, second: third}
    del org.rows[first], org.rows[second]
    later = NOON + directories.DELETIONS

    directories.read_due(now=later)

    assert ask(directory, now=later).candidates[0].id == third


def test_reading_goes_on_where_it_broke_off(org: Org, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(5):
        org.put(number)
    monkeypatch.setattr(directories, "PAGES", 1)
    directories.read_due(now=NOON)

    def fail(*_: Any) -> Any:
        raise Transient("no answer")

    monkeypatch.setattr(streams, "ask", fail)
    directories.read_due(now=NOON)
    failed = Directory.objects.get()
    assert (failed.failure, failed.complete_at, failed.read) == ("no answer", None, 2)

    monkeypatch.setattr(streams, "ask", org.ask)
    monkeypatch.setattr(directories, "PAGES", 9)
    assert directories.read_due(now=failed.due_at) == 3
    assert Directory.objects.get().complete_at is not None


def test_what_cannot_be_opened_any_more_is_begun_anew_when_somebody_has_it_read_again(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = a_directory(pair)
    know(directory, **{ACME: HOEFER})
    monkeypatch.setattr(directories, "wanted_of", lambda _: {"Account"})
    directory.salt = b"of a key that is lost"

    directories.read_again(directory, actor="otto", now=NOON)
    directories.begin_due(now=NOON)
    assert directories.begin_due(now=NOON) == 1

    assert not KnownRecord.objects.exists()
    Seal(Directory.objects.get())


def test_that_an_org_cannot_be_read_is_known_to_alerts_until_it_can(pair: Pair) -> None:
    a_directory(pair)
    Directory.objects.update(attempts=2, failure="No such column 'Website'")
    (found,) = gathering.gather(now=NOON, memory=alerts.Memory()).customers
    assert (found.failure, found.page) == ("No such column 'Website'.", "duplicates/")

    Directory.objects.update(attempts=0, failure="")
    assert not gathering.gather(now=NOON, memory=alerts.Memory()).customers


def test_a_deletion_that_nobody_told_is_found_when_everything_is_read_anew(org: Org) -> None:
    gone, stays = org.put(1), org.put(2)
    directories.read_due(now=NOON)
    del org.rows[gone]

    directories.read_due(now=NOON + directories.RENEWED)

    assert known() == [stays]


def test_directories_begin_and_end_with_the_flows_that_need_them(pair: Pair) -> None:
    a_live_flow(pair)
    assert directories.begin_due(now=NOON) == 0
    opening.begin(pair.salesforce_id, "Account", now=NOON)
    know(Directory.objects.get(), **{ACME: HOEFER})

    directories.begin_due(now=NOON)
    directories.begin_due(now=NOON + directories.UNUSED)

    assert (Directory.objects.count(), KnownRecord.objects.count()) == (0, 0)


def test_what_is_half_forgotten_is_never_used_again(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = a_directory(pair)
    monkeypatch.setattr(keeping, "forget_all", lambda _: False)
    Directory.objects.update(unused_since=NOON)
    later = NOON + directories.UNUSED

    directories.begin_due(now=later)
    monkeypatch.setattr(directories, "wanted_of", lambda _: {"Account"})
    directories.begin_due(now=later)

    assert ask(directory, now=later).answered is Answered.UNREAD
    assert directories.read_due(now=later) == 0


def test_a_command_reads_all_customers_at_once_and_says_how_many_there_are(
    org: Org, pair: Pair, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(5):
        org.put(number)
    call_command("know_customers", object="Account", connection=pair.salesforce.public_id)

    (told,) = json.loads(capsys.readouterr().out)
    assert (told["object"], told["known"], told["failure"]) == ("Account", 5, "")
