"""Pages of questions: what is asked, what helps to answer, and what the answers do."""

from __future__ import annotations

import re

import pytest
from django.test import Client

from flows import reviews
from flows.models import Deployment, Pair, Review, Run
from integrator.accounts.models import AuditEntry
from monitoring import queries
from tests.builders import NOON, a_pair, a_person, an_environment
from tests.integration.flows.asking import (
    SURE,
    WHICH,
    a_contradiction,
    a_duplicate,
    a_question,
    a_refused_record,
)
from tests.integration.flows.given import a_live_flow
from tests.integration.flows.reading import Reader

pytestmark = pytest.mark.django_db


def links(page: str) -> list[str]:
    """Return the ids of the questions that a list shows, in its order."""
    return re.findall(r'class="row-link clip" href="/w/acme/dev/questions/([\w-]+)/"', page)


# The list


def test_open_questions_come_first_and_closed_ones_are_kept(
    reader: Reader, pair: Pair, live: Deployment
) -> None:
    closed, waiting = a_question(pair), a_question(pair)
    reviews.discard(review=closed, reason="not ours", actor="otto", now=NOON)

    assert links(reader.page("questions/")) == [waiting.public_id]
    past = reader.page("questions/", show="closed")
    assert links(past) == [closed.public_id]
    assert "discarded by otto" in past


def test_questions_are_narrowed_by_their_kind(reader: Reader, pair: Pair, live: Deployment) -> None:
    several, plain = a_question(pair, WHICH), a_question(pair, SURE)

    assert links(reader.page("questions/", kind="several")) == [several.public_id]
    assert links(reader.page("questions/", kind="question")) == [plain.public_id]
    assert "No question of this kind" in reader.page("questions/", kind="conflict")
    assert len(links(reader.page("questions/", kind="nonsense"))) == 2


def test_a_question_is_found_by_name_and_by_any_id(reader: Reader, pair: Pair, live: Deployment) -> None:
    named, other = a_question(pair, a_duplicate("Grüner Wald AG")), a_question(pair, SURE)

    for wanted in ("grüner w", named.public_id, named.run.public_id, "001000000000002aaa"):
        page = reader.page("questions/", q=wanted)
        assert links(page) == [named.public_id], wanted
        assert f'value="{wanted}"' in page
    assert links(reader.page("questions/", q=other.run.event.object_id)) == [other.public_id]
    assert "No question fits" in reader.page("questions/", q="Nobody")
    assert "No question fits" in reader.page("questions/", q="grüner", show="closed")


def test_who_may_see_no_content_finds_nobody_by_name(client: Client, pair: Pair, live: Deployment) -> None:
    review = a_question(pair, a_duplicate("Grüner Wald AG"))
    vera = Reader(client, a_person("vera@acme.test", "viewer"))

    assert links(vera.page("questions/", q="grüner")) == []
    assert links(vera.page("questions/", q=review.public_id)) == [review.public_id]
    assert "% likely" not in vera.page("questions/")


def test_the_likeliest_duplicates_come_first_if_asked(reader: Reader, pair: Pair, live: Deployment) -> None:
    likely, unlike = a_question(pair, a_duplicate()), a_question(pair, a_duplicate("Zwetschge KG"))
    plain = a_question(pair, SURE)

    newest, sorted_ = reader.page("questions/"), reader.page("questions/", sort="likely")

    assert links(newest) == [plain.public_id, unlike.public_id, likely.public_id]
    assert links(sorted_) == [likely.public_id, unlike.public_id, plain.public_id]
    assert len(re.findall(r"\d+ % likely", newest)) == 2


def test_the_navigation_counts_what_is_open_here(reader: Reader, pair: Pair, live: Deployment) -> None:
    a_question(pair)
    other = a_pair(an_environment("qa"))
    a_live_flow(other, slug="more")

    assert queries.nav_counts(pair.environment)["questions"] == 1
    assert queries.nav_counts(other.environment)["questions"] == 0
    assert re.search(r'id="nav-questions"[^>]*>1<', reader.page("questions/"))


def test_a_list_without_questions_says_that_nothing_is_to_be_done(reader: Reader, pair: Pair) -> None:
    assert "Nothing is asked" in reader.page("questions/")
    assert "Nothing was asked yet" in reader.page("questions/", show="closed")


# One question


def test_records_are_shown_side_by_side_with_what_differs(
    reader: Reader, pair: Pair, live: Deployment
) -> None:
    page = reader.page(f"questions/{a_question(pair).public_id}/")

    assert "Which account is it?" in page
    assert [page.count(f'data-focus="{key}"') for key in (1, 2, 3, 4)] == [1, 1, 1, 0]
    assert page.count("<dt>Name</dt><dd><mark>") == 2
    assert page.count("<dt>BillingCountry</dt><dd>DE</dd>") == 2
    assert page.count("<dt>Owner.Name</dt><dd>Ada</dd>") == 2
    assert "attributes" not in page
    assert "<mark>empty</mark>" in page


def test_evidence_is_a_table_of_facts_without_secrets(reader: Reader, pair: Pair, live: Deployment) -> None:
    review = a_question(pair, SURE)

    page = reader.page(f"questions/{review.public_id}/")

    assert '<dt><span class="id">charge.amount</span></dt><dd>1999</dd>' in page
    assert "6735" in page
    assert "sk_test_4eC39" not in page
    assert review.run.public_id in page
    assert f'data-copy="{review.run.event.object_id}"' in page


@pytest.mark.parametrize("role", ["viewer", "auditor", "finance", "approver"])
def test_who_may_not_see_payloads_sees_neither_evidence_nor_names_nor_buttons(
    client: Client, pair: Pair, live: Deployment, role: str
) -> None:
    reader = Reader(client, a_person("vera@acme.test", role))

    page = reader.page(f"questions/{a_question(pair).public_id}/")

    assert "001000000000002AAA" in page
    assert "Acme Ltd" not in page
    assert "555-1" not in page
    assert "Your role does not include the content" in page
    assert "data-focus" not in page


def test_a_designer_sees_the_evidence_and_cannot_answer(client: Client, pair: Pair, live: Deployment) -> None:
    reader, review = Reader(client, a_person("ada@acme.test", "designer")), a_question(pair)

    page = reader.page(f"questions/{review.public_id}/")

    assert "Acme Ltd" in page
    assert "data-focus" not in page
    assert reader.press(f"questions/{review.public_id}/answer/", value="none").status_code == 403


def test_evidence_whose_key_is_lost_does_not_keep_anybody_from_answering(
    reader: Reader, pair: Pair, live: Deployment
) -> None:
    review = a_question(pair)
    Review.objects.update(evidence=b"torn")

    page = reader.page(f"questions/{review.public_id}/")

    assert "It cannot be opened" in page
    assert 'data-focus="1"' in page


# Answering


def test_the_answer_lets_the_run_go_on(reader: Reader, pair: Pair, live: Deployment) -> None:
    review = a_question(pair)

    answer = reader.press(f"questions/{review.public_id}/answer/", value="001000000000002AAA")

    run = Run.objects.get()
    assert answer.status_code == 204
    assert "The run goes on with your answer" in answer.headers["HX-Trigger"]
    assert (run.state, run.memory) == ("ready", {"find": {"answer": "001000000000002AAA"}})
    assert AuditEntry.objects.get(action="review.answered").actor == "otto@acme.test"
    page = reader.page(f"questions/{review.public_id}/")
    assert "<strong>Acme Ltd, 555-1</strong>" in page
    assert "data-focus" not in page


def test_who_comes_second_is_told_who_was_quicker(reader: Reader, pair: Pair, live: Deployment) -> None:
    review = a_question(pair)
    reviews.answer(review=review, value="none", actor="olga@acme.test", now=NOON)

    answer = reader.press(f"questions/{review.public_id}/answer/", value="001000000000001AAA")

    assert answer.status_code == 409
    assert "already answered by olga@acme.test" in answer.headers["HX-Trigger"]
    assert "refresh" in answer.headers["HX-Trigger"]
    assert Review.objects.get().answer == "none"


@pytest.mark.parametrize("given", [{}, {"value": ""}, {"value": "001000000000009AAA"}, {"value": "x" * 300}])
def test_what_is_no_answer_changes_nothing(
    reader: Reader, pair: Pair, live: Deployment, given: dict[str, str]
) -> None:
    review = a_question(pair)

    assert reader.press(f"questions/{review.public_id}/answer/", **given).status_code in {409, 422}

    assert Review.objects.open().count() == 1
    assert Run.objects.get().state == "waiting"


def test_after_an_answer_the_next_question_is_one_step_away(
    reader: Reader, pair: Pair, live: Deployment
) -> None:
    first, second = a_question(pair), a_question(pair)
    reader.press(f"questions/{first.public_id}/answer/", value="none")

    page = reader.page(f"questions/{first.public_id}/")

    assert f'href="/w/acme/dev/questions/{second.public_id}/"' in page
    assert "Next question" in page


def test_a_question_is_discarded_only_with_a_reason(reader: Reader, pair: Pair, live: Deployment) -> None:
    review = a_question(pair)
    path = f"questions/{review.public_id}/discard/"

    asked = reader.client.get(f"/w/acme/dev/{path}", headers={"HX-Request": "true"}).content.decode()
    refused = reader.press(path, reason=" ")
    reader.press(path, reason="A test payment")

    assert "Discard this question?" in asked
    assert refused.status_code == 422
    assert (Run.objects.get().fate, Review.objects.get().resolution) == ("discarded", "discarded")
    assert AuditEntry.objects.get(action="review.discarded").details["reason"] == "A test payment"
    assert reader.press(path, reason="Again").status_code == 409


def test_without_htmx_the_browser_is_led_back_to_the_list(
    reader: Reader, pair: Pair, live: Deployment
) -> None:
    review = a_question(pair)

    answer = reader.client.post(
        f"/w/acme/dev/questions/{review.public_id}/answer/", {"value": "none"}, follow=True
    )

    assert answer.redirect_chain[-1][0] == "/w/acme/dev/questions/"
    assert "The run goes on with your answer" in answer.content.decode()


def test_a_question_of_another_environment_is_not_there(reader: Reader, pair: Pair, live: Deployment) -> None:
    review = a_question(pair)
    an_environment("qa")

    assert reader.press(f"questions/{review.public_id}/answer/", "qa", value="none").status_code == 404
    assert Review.objects.open().count() == 1


# What leads there


def test_a_waiting_run_and_its_event_lead_to_the_question(
    reader: Reader, pair: Pair, live: Deployment
) -> None:
    review = a_question(pair)

    for path in (f"runs/{review.run.public_id}/", f"events/{review.run.event_id}/"):
        page = reader.page(path)
        assert "Which account is it?" in page
        assert f'href="/w/acme/dev/questions/{review.public_id}/"' in page

    reviews.answer(review=review, value="none", actor="otto", now=NOON)
    assert f"questions/{review.public_id}/" not in reader.page(f"runs/{review.run.public_id}/")


def test_a_customer_who_may_be_known_stands_beside_the_records_and_what_speaks_for_each(
    reader: Reader, pair: Pair, live: Deployment
) -> None:
    review = a_question(pair, a_duplicate())

    page = reader.page(f"questions/{review.public_id}/")

    assert "Is cus_TLlQSg8GtYEXr4 one of these accounts?" in page
    assert "<mark>Höfer Logistik GmbH</mark>" in page
    assert "<mark>0731 5551234</mark>" not in page  # the same number, written otherwise
    assert page.count('<ul class="waterfall"') == 2
    assert "The same e-mail address" in page
    assert 'value="001000000000001AAA"' in page
    assert 'data-focus="3"' in page


def test_external_keys_stand_beside_each_other_and_contradictions_are_said(
    reader: Reader, pair: Pair, live: Deployment
) -> None:
    review = a_question(pair, a_contradiction())

    page = reader.page(f"questions/{review.public_id}/")

    assert "The same record id" in page
    assert "Another VAT number" in page
    assert "<mark>DE2</mark>" in page
    assert "<mark>de1</mark>" not in page  # neither capitals nor spaces count


def test_a_record_that_salesforce_refuses_stands_beside_those_that_it_looks_like(
    reader: Reader, pair: Pair, live: Deployment
) -> None:
    review = a_question(pair, a_refused_record())

    page = reader.page(f"questions/{review.public_id}/")

    assert "What was to be saved" in page
    assert "<mark>555-1</mark>" in page
    assert 'value="001000000000001AAA"' in page
    assert 'value="001000000000002AAA"' not in page
    assert "It belongs to cus_2 already." in page
    assert "Lead 00Q000000000001AAA" in page
    assert 'value="save_nonetheless"' in page
    assert "ids=001000000000001AAA%2C001000000000002AAA" in page
    assert "likely the same" not in page


def test_who_may_see_no_content_sees_no_values_of_customers(
    client: Client, pair: Pair, live: Deployment
) -> None:
    review = a_question(pair, a_duplicate())
    vera = Reader(client, a_person("vera@acme.test", "viewer"))

    page = vera.page(f"questions/{review.public_id}/")

    assert "Logistik" not in page
    assert "hoefer" not in page


def test_a_list_names_customers_to_those_who_may_see_content(
    reader: Reader, client: Client, pair: Pair, live: Deployment
) -> None:
    a_question(pair, a_duplicate("Höfer <Logistik>"))
    a_question(pair, WHICH)

    assert "Höfer &lt;Logistik&gt;" in reader.page("questions/")
    vera = Reader(client, a_person("vera@acme.test", "viewer"))
    assert "Höfer" not in vera.page("questions/")


def test_a_list_is_shown_though_the_key_of_a_name_is_lost(
    reader: Reader, pair: Pair, live: Deployment
) -> None:
    review = a_question(pair, a_duplicate())
    Review.objects.update(evidence=b"sealed by a key that is gone")

    assert links(reader.page("questions/")) == [review.public_id]
