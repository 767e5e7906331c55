"""Tests of finding known customers again: what is the same, what only looks like it, and who decides."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from flows.matching import (
    Decision,
    InMemoryStore,
    Kind,
    MergeRules,
    Policy,
    Preset,
    Reason,
    Side,
    find,
    merge_preview,
    normalise,
)
from flows.matching.records import names_of
from flows.matching.telling import told

ANN = {
    "name": "Ann Whitcombe",
    "email": "ann.whitcombe@gmail.com",
    "phone": "+44 (0)20 7946 0018",
    "line1": "12 Mill Road",
    "city": "Bath",
    "postal": "BA1 5NH",
    "country": "GB",
}
HOFER = {
    "name": "Höfer Maschinenbau GmbH & Co. KG",
    "contact": "Jürgen Höfer",
    "email": "info@hoefer-maschinen.de",
    "phone": "0711 8842110",
    "line1": "Schillerstraße 7",
    "city": "Stuttgart",
    "postal": "70173",
    "country": "Deutschland",
}
TRUSTING = Policy(automatic=True)


def decided(record: dict[str, object], policy: Policy = TRUSTING, **known: dict[str, object]) -> Decision:
    """Return what is decided of `record` among Ann, Höfer and who else is known."""
    store = InMemoryStore()
    for id, one in {"ann": ANN, "hofer": HOFER, **known}.items():
        store.add(id, normalise(one))
    return find(normalise(record), store, policy=policy)


@pytest.mark.parametrize(
    "told",
    [
        pytest.param(
            {"email": "Ann.Whitcombe+shop@googlemail.com"}, id="a tag and another name of the domain"
        ),
        pytest.param({"email": "annwhitcombe@GMAIL.com"}, id="dots that the provider ignores"),
        pytest.param({"email": "ann.whitcombe@gmial.com"}, id="a domain that is often mistyped"),
        pytest.param({"name": "WHITCOMBE, ANN"}, id="the surname first, in capitals"),
        pytest.param({"name": "Ann Whitcmobe"}, id="a mistake of typing"),
        pytest.param({"name": "Mrs Annie Whitcombe"}, id="a title and a nickname"),
        pytest.param({"phone": "02079460018"}, id="a number as it is dialled at home"),
        pytest.param({"line1": "", "city": ""}, id="no address"),
    ],
)
def test_a_customer_told_otherwise_is_the_same(told):
    decision = decided({**ANN, **told})

    assert (decision.kind, decision.candidates[0].id) == (Kind.AUTO, "ann")


@pytest.mark.parametrize(
    "told",
    [
        pytest.param({"name": "Hofer Maschinenbau"}, id="no legal form and no accent"),
        pytest.param({"name": "Höfer Maschinenbau AG"}, id="another legal form"),
        pytest.param(
            {"name": "Juergen Höfer", "email": "j.hoefer@hoefer-maschinen.de"}, id="the person behind it"
        ),
    ],
)
def test_a_company_told_otherwise_is_found(told):
    decision = decided({**HOFER, **told})

    assert decision.kind != Kind.NEW
    assert decision.candidates[0].id == "hofer"


@pytest.mark.parametrize(
    "told",
    [
        pytest.param({"name": "Edwin Whitcombe", "email": "edwin88@gmail.com"}, id="who lives with her"),
        pytest.param({"name": "Edwin Whitcombe"}, id="who shares even the address for mail"),
        pytest.param({"name": "Anne-Marie Locke"}, id="who has taken over all but the name"),
    ],
)
def test_who_has_another_name_is_never_merged_without_a_person(told):
    assert decided({**ANN, **told}).kind != Kind.AUTO


def test_names_of_a_woman_and_a_man_that_differ_by_a_letter_are_no_mistake():
    mario = {**ANN, "name": "Mario Whitcombe"}

    assert decided(mario, ann={**ANN, "name": "Maria Whitcombe"}).kind == Kind.REVIEW


def test_a_namesake_elsewhere_is_new():
    other = {
        "name": "Ann Whitcombe",
        "email": "a.whitcombe@outlook.com",
        "phone": "0117 496 0555",
        "line1": "3 Quay Street",
        "city": "Hull",
        "postal": "HU1 1PS",
        "country": "GB",
    }

    assert decided(other).kind == Kind.NEW


def test_two_customers_who_fit_alike_wait_for_a_person():
    decision = decided(ANN, again={**ANN})

    assert decision.kind == Kind.REVIEW
    assert [candidate.id for candidate in decision.candidates] == ["again", "ann"]


def test_nothing_is_merged_without_a_person_unless_the_workspace_has_said_so():
    assert decided(ANN, policy=Policy()).kind == Kind.REVIEW


def test_an_external_key_decides_alone():
    linked = {"name": "Somebody Else", "external": {"salesforce_account_id": "001xx000003DGb2"}}
    known = {**HOFER, "external": linked["external"]}

    decision = decided({**ANN, **linked}, policy=Policy(), hofer=known)
    doubled = decided({**ANN, **linked}, hofer=known, second=known)

    assert (decision.kind, decision.candidates[0].id) == (Kind.AUTO, "hofer")
    assert doubled.kind == Kind.REVIEW


def test_who_is_linked_to_another_record_is_not_merged_without_a_person():
    told = {**ANN, "external": {"salesforce_account_id": "001xx000003DGb2"}}
    known = {**ANN, "external": {"salesforce_account_id": "001xx000003DGb9"}}

    assert decided(told, ann=known).kind == Kind.REVIEW


def test_capitals_and_spaces_of_an_external_key_do_not_count():
    customer = {"name": "Somebody Else", "external": {"Tax_Id__c": "DE 123 456 789"}}

    decision = decided(customer, policy=Policy(), hofer={**HOFER, "external": {"Tax_Id__c": "de123456789"}})

    assert (decision.kind, decision.candidates[0].id, decision.by_key) == (Kind.AUTO, "hofer", True)
    assert told_words(decision) == ["The same VAT number"]


def test_keys_that_contradict_each_other_are_for_a_person_even_if_another_one_is_the_same():
    customer = {**ANN, "external": {"Number__c": 7, "Tax_Id__c": "GB1"}}
    known = {**HOFER, "external": {"Number__c": "7", "Tax_Id__c": "GB2"}}
    other = {**HOFER, "external": {"Tax_Id__c": "GB1"}}

    contradicted = decided(customer, hofer=known)
    two = decided(customer, hofer=known, second=other)

    assert contradicted.kind == two.kind == Kind.REVIEW
    assert contradicted.candidates[0].score == sum(line.bits for line in contradicted.waterfall) == 0
    assert told_words(contradicted) == ["The same Number__c", "Another VAT number"]
    assert [candidate.id for candidate in two.candidates] == ["second", "hofer"]


def told_words(decision: Decision) -> list[str]:
    labels = {"Tax_Id__c": "VAT number"}
    return [told(line.field, line.level, labels) for line in decision.waterfall]


def test_a_name_that_many_have_says_less():
    strangers = {f"stranger{number}": {"name": "Ann Whitcombe"} for number in range(16)}
    told = {"name": "Ann Whitcombe", "city": "Bath"}

    rare, common = decided(told), decided(told, **strangers)

    assert rare.candidates[0].id == common.candidates[0].id == "ann"
    assert rare.candidates[0].score > common.candidates[0].score + 3


def test_who_is_forgotten_is_not_found():
    store = InMemoryStore()
    store.add("ann", normalise(ANN))
    store.add("ann", normalise(HOFER))

    assert find(normalise(ANN), store, policy=TRUSTING).kind == Kind.NEW
    store.remove("ann")
    assert find(normalise(HOFER), store, policy=TRUSTING).kind == Kind.NEW


@pytest.mark.parametrize(
    ("text", "names"),
    [
        pytest.param("Banca Rossi S.p.A.", ["banca rossi"], id="Italy"),
        pytest.param("Piekarnia Łoś Sp. z o.o. Sp.k.", ["piekarnia los"], id="Poland"),
        pytest.param("Grupo Haro S.A.T.", ["grupo haro"], id="Spain"),
        pytest.param("Jansen en Zonen B.V.", ["jansen zonen"], id="the Netherlands"),
        pytest.param("Lemaire et Fils SARL", ["lemaire fils"], id="France"),
        pytest.param("Voigt Stiftung & Co. KGaA", ["voigt"], id="Germany"),
        pytest.param("Hayes & Wyatt Pty Ltd", ["hayes wyatt"], id="Australia"),
        pytest.param("Anna Sas", ["anna", "anna sas"], id="a surname that is a legal form elsewhere"),
        pytest.param("LLC", ["llc"], id="nothing but a legal form"),
    ],
)
def test_a_name_has_no_legal_form(text, names):
    assert [" ".join(name.words) for name in names_of(text)] == names


@pytest.mark.parametrize(
    ("rules", "phone", "reason"),
    [
        pytest.param(MergeRules(), "1", Reason.KEPT, id="the system of record"),
        pytest.param(MergeRules(Preset.COMPLETE), "2", Reason.COMPLETE, id="who tells more"),
        pytest.param(
            MergeRules(
                Preset.NEWEST,
                first_changed=datetime(2026, 1, 1, tzinfo=UTC),
                second_changed=datetime(2026, 2, 1, tzinfo=UTC),
            ),
            "2",
            Reason.NEWEST,
            id="who was changed last",
        ),
        pytest.param(MergeRules(chosen={"phone": Side.SECOND}), "2", Reason.CHOSEN, id="what a person chose"),
    ],
)
def test_a_merge_keeps_one_value_of_each_field_and_tells_what_is_lost(rules, phone, reason):
    first = {"name": "Ann", "phone": "1", "city": "", "vip": False}
    second = {"name": "Ann", "phone": "2", "city": "Bath", "vip": None, "email": "ann@example.com"}

    survivors = {one.field: one for one in merge_preview(first, second, rules)}

    assert (survivors["phone"].value, survivors["phone"].reason) == (phone, reason)
    assert {survivors["phone"].value, survivors["phone"].lost} == {"1", "2"}
    assert survivors["city"][1:] == ("Bath", None, Side.SECOND, Reason.ONLY)
    assert survivors["vip"].value is False
    assert survivors["name"].side == Side.BOTH


def test_a_person_may_choose_the_empty_value():
    [survivor] = merge_preview({"phone": ""}, {"phone": "2"}, MergeRules(chosen={"phone": Side.FIRST}))

    assert (survivor.value, survivor.lost) == ("", "2")


def test_a_stricter_line_leaves_more_to_people():
    assert decided(ANN, policy=replace(TRUSTING, auto=40.0)).kind == Kind.REVIEW
    assert decided(ANN, policy=replace(TRUSTING, review=40.0)).kind == Kind.NEW
