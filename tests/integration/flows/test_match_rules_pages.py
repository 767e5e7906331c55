"""The page of match rules: who is known, where the lines are, what decisions say."""

from __future__ import annotations

import pytest
from django.test import Client

from flows.models import Directory, MatchDecision, MatchPolicy, Pair
from flows.recognising import opening
from tests.builders import NOON, a_pair, a_person, an_environment
from tests.integration.flows.reading import Reader
from tests.integration.flows.test_recognising import HOEFER, decisions, know

pytestmark = pytest.mark.django_db


@pytest.fixture
def directory(pair: Pair) -> Directory:
    opening.begin(pair.salesforce_id, "Account", now=NOON)
    Directory.objects.update(complete_at=NOON, ended_at=NOON, caught_up_at=NOON)
    return Directory.objects.get()


@pytest.fixture
def ada(client: Client, pair: Pair) -> Reader:
    return Reader(client, a_person("ada@acme.test", "admin"))


def test_the_page_tells_who_is_known_and_what_decisions_say(ada: Reader, directory: Directory) -> None:
    know(directory, **{"001000000000001AAA": HOEFER})
    decisions(directory, 3, same=True)
    other = a_pair(an_environment("qa"))
    opening.begin(other.salesforce_id, "Contact", now=NOON)

    page = ada.page("duplicates/")

    assert "Up to date" in page
    assert "Contacts" not in page
    assert "3 of them the same customer" in page


def a_decision(directory: Directory, number: int, *, same: bool, **fields: object) -> None:
    findings = [["name", "exact", 0.0], ["email", "exact", 0.0]]
    MatchDecision.objects.create(
        connection=directory.connection, object="Account", stripe_id=f"cus_{number}", decided_at=NOON,
        record_id="001000000000001AAA", same=same, decided_by="otto", findings=findings,
        **{"others": [], **fields},
    )  # fmt: skip


def test_beside_the_switch_stands_how_often_it_would_have_been_right(
    ada: Reader, reader: Reader, directory: Directory
) -> None:
    assert "People have not decided any pair yet that is sure by these rules." in ada.page("duplicates/")
    for number in range(3):
        a_decision(directory, number, same=number > 0)
    a_decision(directory, 3, same=True, others=None)

    for page in (ada.page("duplicates/"), reader.page("duplicates/")):
        assert "People agreed with 2 of 3 pairs that are sure by these rules: 66.66 %" in page
        assert "in the long run at least 20.76 %" in page
        assert "Fewer than 50 sure pairs: too few to rely on" in page
        assert "Not counted as sure" in page
        assert "100 %" not in page


def test_the_pairs_that_were_wrong_are_a_click_away(ada: Reader, directory: Directory) -> None:
    assert "None was wrong" in ada.page("duplicates/wrong/")
    a_decision(directory, 1, same=True)
    a_decision(directory, 2, same=False, question="gone")

    assert "See the 1 that they called different" in ada.page("duplicates/")
    page = ada.page("duplicates/wrong/")

    assert "cus_2" in page
    assert "cus_1" not in page
    assert "nobody else was like it" in page
    assert "The question" not in page  # it is not kept any more


def test_external_keys_are_named_and_whether_they_have_been_read(ada: Reader, directory: Directory) -> None:
    opening.widen(directory, ["Tax_Id__c"], now=NOON)

    page = ada.page("duplicates/")
    (told,) = ada.client.get("/api/v1/known-customers/").json()["results"]
    Directory.objects.update(keys_read=["Tax_Id__c"])

    assert "External keys: Tax_Id__c; customers who tell one that is still being read wait" in page
    assert (told["keys"], told["keys_read"]) == (["Tax_Id__c"], [])
    assert "still being read" not in ada.page("duplicates/")


def test_an_administrator_draws_the_lines_and_bad_ones_are_told(ada: Reader, pair: Pair) -> None:
    form = {"automatic": "on", "auto": "8", "margin": "3", "review": "-2"}
    assert ada.client.post("/w/acme/dev/duplicates/rules/", form).status_code == 302
    row = MatchPolicy.objects.get(environment=pair.environment)
    assert (row.automatic, row.auto, row.changed_by) == (True, 8.0, "ada@acme.test")

    refused = ada.client.post("/w/acme/dev/duplicates/rules/", {**form, "review": "9"})

    assert refused.status_code == 422
    assert "A person is asked from fewer points on" in refused.content.decode()


def test_an_operator_has_customers_read_again_and_draws_no_lines(
    reader: Reader, directory: Directory
) -> None:
    Directory.objects.update(due_at=NOON.replace(year=2099))

    assert reader.client.post(f"/w/acme/dev/duplicates/{directory.pk}/read/").status_code == 302
    assert reader.client.post("/w/acme/dev/duplicates/rules/", {}).status_code == 403

    directory.refresh_from_db()
    assert directory.due_at.year < 2099
