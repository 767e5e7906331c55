"""Links between both systems: how they are found, what is shown of them, and how conflicts are answered."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from connectors.stripe.roots import Root
from flows import agreements, reviews
from flows.agreeing.agreement import Agreement, Asked, Between, Change
from flows.agreements import Choice, Kept
from flows.engine.outcome import AskHuman, Option
from flows.models import Deployment, Lane, Link, LinkChange, Pair, Review, Run
from flows.trials.tape import Tape, dumps, loads
from flows.trials.world import Limits, TrialPorts
from integrator.accounts.models import AuditEntry
from tests.builders import NOON, a_person
from tests.integration.flows.asking import a_question
from tests.integration.flows.reading import Reader
from tests.integration.flows.test_schema_pages import an_object

pytestmark = pytest.mark.django_db

RECORD = "001000000000001AAA"
SIDES = {"stripe": "Ada", "salesforce": "Evelyn"}
ASKED = {"Account.Name": SIDES, "Account.Score__c": {"stripe": 1, "salesforce": 2}}


def an_agreement(**more: Any) -> Agreement:
    values = {"customer.name": "Ada", "Account.Name": "Ada", "customer.email": "ada@acme.test"}
    return Agreement(
        stripe_id="cus_1", object="Account", external_id="cus_1", record_id=RECORD, values=values,
        touched=True, **more,
    )  # fmt: skip


def keep(live: Deployment, agreement: Agreement, *, run: Run | None = None) -> Link:
    number, name, lane = (run.pk, run.public_id, run.lane_id) if run else (1, "", 0)
    agreements.keep([Kept(live.pair_id, live.flow_id, number, name, lane, agreement)], now=NOON)
    return Link.objects.get(pk=agreement.link_id)


def a_conflict(pair: Pair, live: Deployment) -> tuple[Review, Link]:
    """Return the question of a run about two fields, and its link."""
    question = AskHuman(
        "Which is right?",
        kind="conflict",
        options=(Option("stripe", "Take Stripe's"), Option("salesforce", "Take Salesforce's")),
        evidence={
            "fields": {name: {**values, "agreed": None} for name, values in ASKED.items()},
            "link": ["Account", "cus_1"],
            "changed": {
                "stripe": {"by": "evt_1", "at": "2026-11-24 12:03:11 UTC"},
                "salesforce": {"by": None},
            },
        },
    )
    review = a_question(pair, question)
    asked = Asked(review.run_id, "salesforce", ASKED)
    return review, keep(live, an_agreement(state="conflict", asked=asked), run=review.run)


def found(pair: Pair, **by: str) -> Agreement:
    (one,) = agreements.find(pair.pk, [Between(**by)])
    return one


# What is kept and found


@pytest.mark.parametrize(
    "by",
    [
        {"object": "Account", "external_id": "cus_1"},
        {"object": "Account", "record_id": RECORD},
        {"stripe_id": "cus_1"},
        {"object": "Account", "record_id": RECORD, "stripe_id": "cus_1"},
    ],
)
def test_an_agreement_is_found_from_either_side(pair: Pair, live: Deployment, by: dict[str, str]) -> None:
    link = keep(live, an_agreement())

    one = found(pair, **by)

    assert (one.link_id, one.values["Account.Name"], one.at) == (link.pk, "Ada", NOON)


def test_what_was_written_one_way_is_what_both_begin_with(pair: Pair, live: Deployment) -> None:
    link = keep(live, an_agreement())
    sealed = agreements.vault.seal(b'{"Name": "Bob"}', owner=agreements.owner_of(pair.pk))
    Link.objects.filter(pk=link.pk).update(base=b"", agreed=sealed)

    assert found(pair, stripe_id="cus_1").values == {"Account.Name": "Bob"}


def test_who_has_asked_and_is_gone_does_not_keep_others_from_asking(pair: Pair, live: Deployment) -> None:
    review, _ = a_conflict(pair, live)
    assert found(pair, stripe_id="cus_1").asked is not None

    reviews.discard(review=review, reason="not ours", actor="otto", now=NOON)

    one = found(pair, stripe_id="cus_1")
    assert (one.asked, one.state) == (None, "agreed")


def test_a_history_keeps_its_last_lines(live: Deployment) -> None:
    for number in range(7):
        change = Change("written", "salesforce", {"Account.Name": ["Ada", f"Name {number}"]})
        keep(live, an_agreement(changes=[change] * 10))

    assert LinkChange.objects.count() <= LinkChange.MOST + 10


def test_a_question_that_is_none_any_more_lets_its_run_look_again(pair: Pair, live: Deployment) -> None:
    review, link = a_conflict(pair, live)

    keep(live, an_agreement(link_id=link.pk, void=review.run_id), run=review.run)

    assert Review.objects.get().resolution == "superseded"
    assert (Run.objects.get().state, Run.objects.get().fetch_first) == ("ready", True)


def test_a_trial_comes_to_the_same_again_though_the_link_has_changed(pair: Pair, live: Deployment) -> None:
    def ports(given: Tape) -> TrialPorts:
        root = Root("customer", "cus_1")
        return TrialPorts(limits=Limits(NOON, 60), given=given, live={}, pair_id=pair.pk, root=root)

    link, wanted = keep(live, an_agreement()), [Between("Account", "cus_1")]
    first = ports(Tape())
    (one,) = first.agreements(wanted)
    keep(live, an_agreement(link_id=link.pk, sent={"Account.Name": "Bob"}))
    recorded = Tape(loads(dumps(first.tape.as_data())))

    assert ports(recorded).agreements(wanted) == [one]
    assert ports(Tape()).agreements(wanted)[0].sent == {"Account.Name": "Bob"}


# Answering


def test_an_answer_for_each_field_is_noted_with_the_values_that_it_is_about(
    reader: Reader, pair: Pair, live: Deployment
) -> None:
    review, _ = a_conflict(pair, live)
    form = {
        "value": "each", "field.1": "Account.Name", "take.1": "stripe",
        "field.2": "Account.Score__c", "take.2": "value", "typed.2": "7",
    }  # fmt: skip

    answer = reader.press(f"questions/{review.public_id}/answer/", **form)

    assert answer.status_code == 204
    assert found(pair, stripe_id="cus_1").decided == {
        "Account.Name": {"about": SIDES, "take": "stripe", "value": None},
        "Account.Score__c": {"about": ASKED["Account.Score__c"], "take": "value", "value": 7},
    }
    assert Run.objects.get().state == "ready"
    assert Run.objects.get().memory == {"find": {"answer": "each"}}
    assert LinkChange.objects.filter(how="decided").get().who == "otto@acme.test"
    told = AuditEntry.objects.get(action="review.answered").details
    assert told["fields"] == {"Account.Name": "stripe", "Account.Score__c": "value"}


@pytest.mark.parametrize(
    "fields",
    [
        {"Account.Name": Choice("stripe")},
        {"Account.Name": Choice("stripe"), "Account.Score__c": Choice("value", "many")},
        {"Account.Name": Choice("value", "x" * 501), "Account.Score__c": Choice("stripe")},
        {"Account.Name": Choice("stripe"), "Account.Score__c": Choice("value", "1E+9000")},
    ],
)
def test_an_answer_that_leaves_a_field_out_or_does_not_fit_changes_nothing(
    pair: Pair, live: Deployment, fields: dict[str, Choice]
) -> None:
    review, _ = a_conflict(pair, live)

    with pytest.raises(reviews.NotAnOption):
        reviews.answer(review=review, value="each", fields=fields, actor="otto", now=NOON)

    assert Review.objects.open().count() == 1
    assert found(pair, stripe_id="cus_1").decided == {}


def test_an_answer_decides_nothing_about_values_that_another_run_has_asked_about_since(
    pair: Pair, live: Deployment
) -> None:
    review, link = a_conflict(pair, live)
    newer = {"Account.Name": {"stripe": "Mallory", "salesforce": "Evelyn"}}
    other = Run.objects.get(pk=review.run_id).again(reason="", now=NOON)
    other.state, other.next_attempt_at = Run.State.WAITING, None
    other.save()
    asked = Asked(other.pk, "salesforce", newer)
    keep(live, an_agreement(link_id=link.pk, state="conflict", asked=asked))

    reviews.answer(review=review, value="stripe", actor="otto", now=NOON)

    one = found(pair, stripe_id="cus_1")
    assert one.decided == {}
    assert one.asked is not None
    assert (one.asked.run_id, one.asked.about) == (other.pk, newer)
    assert Run.objects.get(pk=review.run_id).state == "ready", "it looks again, and waits for the other"


def test_whoever_waited_for_the_answer_is_woken(pair: Pair, live: Deployment) -> None:
    review, _ = a_conflict(pair, live)
    lane = Lane.objects.create(pair=pair, key=f"salesforce:{RECORD}")
    later = NOON + timedelta(minutes=10)
    waiting = review.run.again(reason="", now=later)
    waiting.lane = lane
    waiting.save()

    reviews.answer(review=review, value="salesforce", actor="otto", now=NOON)

    waiting.refresh_from_db()
    lane.refresh_from_db()
    assert (waiting.next_attempt_at, lane.ready_at) == (NOON, NOON)


def test_a_conflict_is_shown_field_by_field_and_hidden_from_who_may_not_see_values(
    reader: Reader, client: Client, pair: Pair, live: Deployment
) -> None:
    review, _ = a_conflict(pair, live)
    an_object(pair.salesforce, {"name": "Score__c", "label": "Credit score"})
    page = reader.page(f"questions/{review.public_id}/")

    assert page.count('name="take.') == 4
    heading = page.partition('id="asked">')[2].partition("</h2>")[0]
    assert heading == "Firm “Ada”: both sides changed Name and Credit score. Which is right?"
    assert '<span class="sub id">Account.Score__c</span>' in page
    assert '<time datetime="2026-11-24T12:03:11+00:00"' in page
    assert all(value in page for value in ("Ada", "Evelyn", "Answer field by field"))
    vera = Reader(client, a_person("vera@acme.test", "viewer")).page(f"questions/{review.public_id}/")
    assert "Evelyn" not in vera


# Pages


def test_links_are_found_by_ids_of_either_side_and_by_an_e_mail_address(
    reader: Reader, live: Deployment
) -> None:
    keep(live, an_agreement())
    for text in ("cus_1", RECORD, RECORD[:15], "Ada@acme.test"):
        assert RECORD in reader.page("links/", q=text)
    assert "No link fits" in reader.page("links/", q="cus_2")
    assert "No link fits" in reader.page("links/", state="held")


def test_a_link_shows_both_sides_and_what_set_each_field(reader: Reader, live: Deployment) -> None:
    changed = Change("written", "salesforce", {"Account.Name": ["Bob", "Ada"]}, "evt_1")
    link = keep(live, an_agreement(changes=[changed]))

    page = reader.page(f"links/{link.pk}/")

    assert all(value in page for value in ("ada@acme.test", "Bob", "evt_1", live.flow.name, "In agreement"))


def test_who_may_not_see_payloads_sees_which_records_belong_together_and_no_values(
    client: Client, live: Deployment
) -> None:
    changed = Change("written", "salesforce", {"Account.Name": ["Bob", "Ada"]})
    link = keep(live, an_agreement(changes=[changed]))
    vera = Reader(client, a_person("vera@acme.test", "viewer"))

    page = vera.page(f"links/{link.pk}/")

    assert RECORD in page
    assert not any(value in page for value in ("Bob", "ada@acme.test"))
    assert RECORD in vera.page("links/", q="nobody@acme.test")  # it is not looked for


def test_a_link_in_trouble_leads_to_its_question(reader: Reader, pair: Pair, live: Deployment) -> None:
    review, link = a_conflict(pair, live)
    Lane.objects.filter(pk=review.run.lane_id).update(key="stripe:cus_1")

    assert f"questions/{review.public_id}/" in reader.page(f"links/{link.pk}/")
    assert "cus_1" in reader.page("links/", state="conflict")


def test_a_link_whose_key_is_lost_is_shown_without_values(reader: Reader, live: Deployment) -> None:
    link = keep(live, an_agreement())
    Link.objects.update(base=b"torn")

    assert "It cannot be opened" in reader.page(f"links/{link.pk}/")
    assert "No link fits" in reader.page("links/", q="ada@acme.test")
