"""This module tests how the customers of an org are read, kept up to date and forgotten."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core.management import call_command

from connectors.models import Connection
from flows import directories, streams
from flows.matching import FORM, Answered, Customer, normalise
from flows.models import Directory, KnownRecord, Pair
from flows.recognising import asking, keeping, opening, rules
from flows.recognising.keeping import Found
from flows.recognising.sealing import Seal
from integrator.kernel.errors import Refused, Transient
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
    monkeypatch.setattr(directories, "wanted_of", lambda _: {"Account": set()})
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
    monkeypatch.setattr(directories, "wanted_of", lambda _: {"Account": set()})
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


def in_the_form_of_before(id: str, **fields: Any) -> Directory:
    """Return the directory as a version has left it that kept other forms of what is compared."""
    directory = Directory.objects.get()
    before = replace(normalise({**HOEFER, "phone": ""}), **fields)
    keeping.keep(directory, [Found(id, before, NOON)])
    Directory.objects.update(form_reading=FORM - 1, form_read=FORM - 1)
    return Directory.objects.get()


def test_after_an_upgrade_everything_is_kept_in_the_new_form_and_found_meanwhile(
    org: Org, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [org.put(number, Phone="+44 7911 123456", BillingCountry="") for number in range(4)]
    directories.read_due(now=NOON)
    directory = in_the_form_of_before(ids[0], phone="447911123456", country="")

    def of_the_phone() -> list[str]:
        told = ask(directory, name="Höfer GmbH", phone="07911 123456", country="GB")
        mine = [one for one in told.candidates if one.id == ids[0]] or told.candidates
        return [line.level for line in mine[0].waterfall if line.field == "phone"]

    assert of_the_phone() == ["exact"]  # the number of before has its code in it

    monkeypatch.setattr(directories, "PAGES", 1)
    later = NOON + directories.CAUGHT_UP
    directories.read_due(now=later)  # half of them, and then it is stopped
    directory.refresh_from_db()
    assert (directory.form_reading, directory.form_read) == (FORM, FORM - 1)
    monkeypatch.setattr(directories, "PAGES", 10)
    directories.read_due(now=later)
    directory.refresh_from_db()

    assert directory.form_read == FORM
    kept = [Seal(directory).open(one.sealed) for one in KnownRecord.objects.filter(expected=False)]
    assert {(norm.calling_code, norm.phone) for norm in kept if norm} == {("44", "7911123456")}
    assert of_the_phone() == ["exact"]
    org.asked.clear()
    directories.read_due(now=NOON + timedelta(hours=1))
    assert Directory.objects.get().generation == directory.generation  # it is read anew once only


VAT = {"external": {"Tax_Id__c": "DE 1"}}


def wants_keys(monkeypatch: pytest.MonkeyPatch, *keys: str) -> None:
    monkeypatch.setattr(directories, "wanted_of", lambda _: {"Account": set(keys)})
    directories.begin_due(now=NOON)


def test_an_external_key_decides_before_any_likeness_once_it_has_been_read_of_all(
    org: Org, monkeypatch: pytest.MonkeyPatch
) -> None:
    org.put(1)
    other = org.put(2, Name="Zeta", Phone="", BillingCity="", Tax_Id__c="de1")
    org.put(3, Name="Eta")
    directories.read_due(now=NOON)
    directory = Directory.objects.get()

    assert ask(directory, **VAT).answered is Answered.UNREAD  # it has not been read of anybody

    monkeypatch.setattr(directories, "PAGES", 1)
    directories.read_due(now=NOON)
    directory.refresh_from_db()
    assert (directory.keys_reading, directory.keys_read) == (["Tax_Id__c"], [])
    assert ask(directory, **VAT).answered is Answered.UNREAD  # of one page it has
    assert ask(directory).answered is Answered.PERHAPS  # who tells no key does not wait

    directories.read_due(now=NOON)
    directory.refresh_from_db()
    told = ask(directory, **VAT)
    assert (told.answered, told.by, told.candidates[0].id) == (Answered.SAME, "key", other)


def test_keys_that_contradict_each_other_wait_for_a_person(org: Org, monkeypatch: pytest.MonkeyPatch) -> None:
    org.put(1, Tax_Id__c="DE2")
    wants_keys(monkeypatch, "Tax_Id__c")
    directories.read_due(now=NOON)
    rules_of = Directory.objects.get().connection.environment
    rules.draw(environment=rules_of, lines={"automatic": True, "auto": -3.0}, actor="ada", now=NOON)

    assert ask(Directory.objects.get(), **VAT).answered is Answered.PERHAPS
    assert ask(Directory.objects.get()).answered is Answered.SAME


def test_two_new_customers_with_one_key_do_not_both_become_new(
    org: Org, monkeypatch: pytest.MonkeyPatch
) -> None:
    wants_keys(monkeypatch, "Tax_Id__c")
    directories.read_due(now=NOON)
    directory = Directory.objects.get()

    assert ask(directory, "cus_1", **VAT).answered is Answered.NEW
    told = ask(directory, "cus_2", name="Zeta", email="", phone="", city="", **VAT)

    assert (told.answered, told.candidates[0].id) == (Answered.EXPECTED, "cus_1")


def test_a_field_that_no_flow_names_any_more_does_not_keep_the_rest_from_being_read(
    org: Org, monkeypatch: pytest.MonkeyPatch
) -> None:
    org.put(1)
    wants_keys(monkeypatch, "Gone__c")
    answer = org.ask

    def refuse(connection: Connection, action: str, request: dict[str, Any]) -> dict[str, Any]:
        if "Gone__c" in request.get("soql", ""):
            raise Refused("No such column 'Gone__c'", code="INVALID_FIELD")
        return answer(connection, action, request)

    monkeypatch.setattr(streams, "ask", refuse)
    directories.read_due(now=NOON)
    assert Directory.objects.get().failure

    wants_keys(monkeypatch)
    directories.read_due(now=NOON + timedelta(hours=1))

    assert (known(), Directory.objects.get().failure) == ([*org.rows], "")


def test_fields_that_flows_spell_otherwise_are_read_once_and_known_to_each(
    org: Org, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = org.put(1, Name="Zeta", Phone="", BillingCity="", Tax_Id__c="DE1")
    selected: list[list[str]] = []

    def look(connection: Connection, action: str, request: dict[str, Any]) -> dict[str, Any]:
        if action == "query":
            columns = request["soql"].removeprefix("SELECT ").partition(" FROM ")[0]
            selected.append(columns.lower().split(", "))
        return org.ask(connection, action, request)

    monkeypatch.setattr(streams, "ask", look)
    wants_keys(monkeypatch, "Tax_Id__c", "tax_id__c", "name")
    directories.read_due(now=NOON)

    assert all(len(set(columns)) == len(columns) for columns in selected)  # Salesforce refuses the others
    directory = Directory.objects.get()
    for name in ("Tax_Id__c", "tax_id__c"):
        told = ask(directory, external={name: "DE 1"})
        assert (told.answered, told.candidates[0].id) == (Answered.SAME, other)


def test_in_one_batch_only_those_wait_that_tell_a_key_which_was_not_read_yet(org: Org) -> None:
    org.put(1)
    directories.read_due(now=NOON)
    directory = Directory.objects.get()
    batch = [Customer("cus_1", {**HOEFER, **VAT}), Customer("cus_2", HOEFER)]

    answers = asking.alike(directory.connection_id, "Account", batch, now=NOON, expecting=True)

    assert [one.answered for one in answers] == [Answered.UNREAD, Answered.PERHAPS]
