"""How lists are gone through, and how amounts are converted."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from flows.engine import batch, definition, plan, ways
from flows.engine.outcome import Done, GiveUp, Pause
from flows.engine.policy import Policy
from flows.engine.ports import Rate
from flows.steps import registry
from flows.steps.convert import converted
from integrator.kernel.errors import Refused, Transient
from integrator.kernel.money import CURRENCIES, UnknownCurrency
from tests.fakes import NOON, FakePorts, an_event, an_item
from tests.unit.flows.taking import KINDS, a_mapped, take
from tests.unit.flows.test_definition import a_document

TODAY = NOON.date()
LINES = "/v1/invoices/in_1/lines"
EACH_LINE = {"list": "charge.lines"}
INTO_EUR = {"amount": "charge.amount", "currency": "charge.currency", "into": "EUR"}


@pytest.fixture
def ports():
    ports = FakePorts()
    ports.rates["USD", "EUR"] = Rate(Decimal("0.925"), TODAY, "ECB")
    return ports


def lines(count, start=0):
    return [{"id": f"il_{number}"} for number in range(start, start + count)]


def a_list(ports, count, url=LINES):
    """Return the first ten of `count` lines, as they stand in an invoice."""
    ports.lists[url] = lines(count)
    return {"object": "list", "data": lines(min(count, 10)), "has_more": count > 10, "url": url}


@pytest.mark.parametrize(
    ("value", "count"),
    [(lines(3), 3), ([], 0), (None, 0), ({"object": "list", "data": lines(2), "has_more": False}, 2)],
    ids=["a list", "an empty one", "null", "one of Stripe's"],
)
def test_a_list_is_gone_through_as_it_is(ports, value, count):
    (answer,) = take("for_each", EACH_LINE, [a_mapped({}, lines=value)], ports)

    assert (len(answer.output["items"]), answer.output["name"]) == (count, "each")
    assert ports.asked == []


def test_the_rest_of_a_list_is_read_page_by_page_for_all_runs_together(ports):
    other = "/v1/invoices/in_2/lines"
    items = [
        a_mapped({}, lines=a_list(ports, 120)),
        a_mapped({}, run_id=2, lines=a_list(ports, 15, other)),
        a_mapped({}, run_id=3, lines=lines(1)),
    ]

    answers = take("for_each", EACH_LINE, items, ports)

    assert [len(answer.output["items"]) for answer in answers] == [120, 15, 1]
    assert answers[0].output["items"] == lines(120)
    assert [[request["url"] for request in requests] for _, requests in ports.asked] == [
        [LINES, other],
        [LINES],
    ]
    assert ports.asked[0][1][0] == {"url": LINES, "starting_after": "il_9", "limit": 100}


def test_a_list_that_is_too_long_is_given_up_before_all_of_it_is_read(ports):
    long, short = a_mapped({}, lines=a_list(ports, 900)), a_mapped({}, run_id=2, lines=lines(2))

    given_up, done = take("for_each", {**EACH_LINE, "limit": 150}, [long, short], ports)

    assert isinstance(given_up, GiveUp)
    assert (given_up.failure.error_class, given_up.failure.code) == ("too_large", "too_many")
    assert len(ports.asked) == 2
    assert len(done.output["items"]) == 2


def test_exactly_as_many_as_allowed_are_no_more_than_allowed(ports):
    (answer,) = take("for_each", {**EACH_LINE, "limit": 40}, [a_mapped({}, lines=a_list(ports, 40))], ports)

    assert len(answer.output["items"]) == 40


@pytest.mark.parametrize("value", ["text", 7, {"data": []}, {"object": "list", "data": None}], ids=str)
def test_what_is_no_list_harms_no_other_run(ports, value):
    bad, good = take("for_each", EACH_LINE, [a_mapped({}, lines=value), a_mapped({}, lines=[1])], ports)

    assert (bad.failure.code, bad.failure.field) == ("not_a_list", "list")
    assert isinstance(good, Done)


def test_a_page_that_cannot_be_read_is_its_own_runs_trouble(ports):
    first, second = a_list(ports, 20), a_list(ports, 20, "/v1/invoices/in_2/lines")
    read = ports._list_of
    ports._list_of = lambda request: Transient("503") if request["url"] == LINES else read(request)

    bad, good = take("for_each", EACH_LINE, [a_mapped({}, lines=first), a_mapped({}, lines=second)], ports)

    assert isinstance(bad, Transient)
    assert len(good.output["items"]) == 20


def test_the_engine_takes_each_element_through_the_steps_inside(ports):
    mapping = {
        "target": "Line__c",
        "lines": [
            {"field": "External_ID__c", "from": "line.id"},
            {"field": "Number__c", "from": "number"},
        ],
    }
    upsert = {"object": "Line__c", "external_id": "External_ID__c", "record": "describe"}
    inside = [
        {"id": "describe", "kind": "map", "settings": mapping},
        {"id": "save", "kind": "salesforce.upsert", "settings": upsert},
    ]
    step = {
        "id": "lines",
        "kind": "for_each",
        "settings": {**EACH_LINE, "name": "line"},
        "exits": {"each": inside},
    }
    kinds = registry.load()
    compiled = plan.build(definition.load(a_document(step), kinds=kinds), kinds=kinds)
    ports.refuses["il_1"] = Refused("No")

    good, bad = batch.run(
        compiled,
        [
            an_item(an_event(lines=lines(2, start=5)), run_id=1),
            an_item(an_event(lines=lines(3)), run_id=2),
        ],
        ports,
        Policy(),
    )

    assert (good.fate, bad.fate) == ("applied", "dead")
    assert {target: record["Number__c"] for target, record in ports.records.items()} == {
        "Line__c:il_5": 1,
        "Line__c:il_6": 2,
        "Line__c:il_0": 1,
        "Line__c:il_2": 3,
    }
    assert good.item.elements == {("describe", "next"): 2, ("save", "next"): 2}
    assert bad.item.elements == {("describe", "next"): 3, ("save", "next"): 2, ("save", ways.FAILED): 1}


@pytest.mark.parametrize("name", ["event", "steps", "number", "Each", ""], ids=str)
def test_an_element_needs_a_name_of_its_own(name):
    with pytest.raises(ValidationError):
        KINDS["for_each"].settings_model.model_validate({**EACH_LINE, "name": name})


# Currencies


def test_an_amount_is_converted_by_the_rate_of_its_day(ports):
    (answer,) = take("currency.convert", INTO_EUR, [a_mapped({})], ports)

    assert answer.output == {
        "amount": 1849,
        "currency": "EUR",
        "rate": Decimal("0.925"),
        "rate_day": TODAY.isoformat(),
        "source": "ECB",
    }


def test_the_same_currency_needs_no_rate(ports):
    (answer,) = take("currency.convert", INTO_EUR, [a_mapped({}, currency="eur")], ports)

    assert (answer.output["amount"], answer.output["rate"]) == (1999, 1)


@pytest.mark.parametrize(
    ("minor", "currency", "into", "rate", "result"),
    [
        pytest.param(1000, "USD", "JPY", "151.235", 1512, id="fewer decimals"),
        pytest.param(1512, "JPY", "USD", "0.0066", 998, id="more decimals"),
        pytest.param(1000, "USD", "KWD", "0.3071", 3071, id="three decimals"),
        pytest.param(25, "USD", "EUR", "0.1", 2, id="a half goes to the even one below"),
        pytest.param(35, "USD", "EUR", "0.1", 4, id="a half goes to the even one above"),
        pytest.param(-1000, "USD", "EUR", "0.9", -900, id="a refund"),
        pytest.param(0, "USD", "EUR", "0.9", 0, id="nothing"),
    ],
)
def test_what_is_left_over_is_rounded_once_half_to_even(minor, currency, into, rate, result):
    assert converted(minor, currency, into, Decimal(rate)) == result


@given(
    minor=st.integers(-(2**63), 2**63),
    currency=st.sampled_from(sorted(CURRENCIES)),
    into=st.sampled_from(sorted(CURRENCIES)),
    rate=st.decimals("0.000001", "1000000", places=10),
)
def test_a_conversion_is_exact_but_for_half_a_unit(minor, currency, into, rate):
    scale = Fraction(10) ** (CURRENCIES[into].exponent - CURRENCIES[currency].exponent)
    exact = Fraction(minor) * Fraction(rate) * scale

    result = converted(minor, currency, into, rate)

    assert abs(result - exact) <= Fraction(1, 2)
    assert result == round(exact)  # which rounds half to even as well


def test_a_missing_rate_holds_the_run_and_tells_administrators(ports):
    waits, goes_on = a_mapped({}, currency="chf"), a_mapped({}, run_id=2)

    answers = take("currency.convert", INTO_EUR, [waits, goes_on], ports)

    assert isinstance(answers[0], Pause)
    assert (answers[0].until, answers[0].holds) == (NOON + timedelta(hours=1), "run")
    assert "CHF to EUR for 2026-11-24" in answers[0].reason
    (note,) = waits.notes
    assert (note.kind, note.key) == ("missing_rate", "missing_rate:CHF:EUR:2026-11-24")
    assert isinstance(answers[1], Done)


@pytest.mark.parametrize(("days", "found"), [(7, True), (8, False)], ids=["a week old", "older"])
def test_an_old_rate_counts_as_missing(ports, days, found):
    ports.rates["USD", "EUR"] = Rate(Decimal("0.9"), TODAY - timedelta(days=days), "ECB")

    (answer,) = take("currency.convert", INTO_EUR, [a_mapped({})], ports)

    assert isinstance(answer, Done) is found


def test_a_day_that_is_read_decides_which_rate_is_taken(ports):
    paid = {**INTO_EUR, "day": "charge.paid"}
    ports.rates["USD", "EUR"] = Rate(Decimal("0.9"), date(2026, 11, 1), "ECB")

    good, bad, none = take(
        "currency.convert",
        paid,
        [
            a_mapped({}, paid=int((NOON - timedelta(days=20)).timestamp())),
            a_mapped({}, paid=int((NOON - timedelta(days=60)).timestamp())),
            a_mapped({}, paid=None),
        ],
        ports,
    )

    assert good.output["rate_day"] == "2026-11-01"
    assert isinstance(bad, Pause)
    assert (none.failure.code, none.failure.field) == ("not_a_number", "day")


@pytest.mark.parametrize(
    ("fields", "code", "field"),
    [
        ({"amount": "1999"}, "not_a_number", "amount"),
        ({"amount": 19.99}, "not_a_number", "amount"),
        ({"amount": True}, "not_a_number", "amount"),
        ({"amount": 2**63}, "not_a_number", "amount"),
        ({"currency": "xxx"}, "unknown_currency", "currency"),
        ({"currency": None}, "unknown_currency", "currency"),
    ],
    ids=str,
)
def test_what_is_no_amount_harms_no_other_run(ports, fields, code, field):
    bad, good = take("currency.convert", INTO_EUR, [a_mapped({}, **fields), a_mapped({})], ports)

    assert (bad.failure.code, bad.failure.field) == (code, field)
    assert isinstance(good, Done)


def test_a_currency_whose_decimals_are_not_known_is_refused():
    with pytest.raises(ValidationError, match="decimals"):
        KINDS["currency.convert"].settings_model.model_validate({**INTO_EUR, "into": "XXX"})
    with pytest.raises(UnknownCurrency):
        converted(1, "XXX", "EUR", Decimal(1))
