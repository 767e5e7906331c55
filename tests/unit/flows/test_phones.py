"""Tests of phone numbers: one number is one, however it is written and wherever its record is from."""

from __future__ import annotations

import random
import subprocess
import sys

import phonenumbers
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.matching import (
    Frequencies,
    InMemoryStore,
    Kind,
    Policy,
    block_keys,
    compare,
    find,
    normalise,
    phones,
)
from flows.matching.phones import NONE, Phone, phone_of


@pytest.mark.parametrize(
    ("forms", "code", "number"),
    [
        pytest.param(
            [("+44 7911 123456", ""), ("07911 123456", "GB"), ("00447911123456", ""), ("447911123456", "GB")],
            "44",
            "7911123456",
            id="a mobile number of Great Britain",
        ),
        pytest.param(
            [("+44 (0)20 7946 0958", ""), ("(020) 7946 0958", "GB"), ("+44 20 7946-0958", "US")],
            "44",
            "2079460958",
            id="the zero in brackets, and a record of elsewhere",
        ),
        pytest.param(
            [("+1 (415) 555-2671", ""), ("415.555.2671", "US"), ("1-415-555-2671", "US")],
            "1",
            "4155552671",
            id="the 1 that is both the prefix and the code in America",
        ),
        pytest.param(
            [("+39 02 1234 5678", ""), ("02 12345678", "IT"), ("+39 02.1234.5678", "IT")],
            "39",
            "212345678",
            id="the zero that belongs to the number in Italy",
        ),
        pytest.param(
            [("+49 491 1234567", ""), ("0491 1234567", "DE")],
            "49",
            "4911234567",
            id="an area code that begins like the code of the country",
        ),
        pytest.param(
            [("+7 912 345-67-89", ""), ("8 (912) 345-67-89", "RU")],
            "7",
            "9123456789",
            id="a prefix that is no zero",
        ),
        pytest.param(
            [("+54 9 11 2345 6789", ""), ("011 15 2345-6789", "AR")],
            "54",
            "91123456789",
            id="the 15 that mobile numbers of Argentina have at home",
        ),
        pytest.param(
            [("+1 415 555 2671", "DE"), ("011 49 30 1234567", "US"), ("0011 49 30 1234567", "AU")][:1],
            "1",
            "4155552671",
            id="the number itself says more than the record",
        ),
        pytest.param(
            [("011 49 30 1234567", "US"), ("0011 49 30 1234567", "AU"), ("0049 30 1234567", "US")],
            "49",
            "301234567",
            id="what is dialled to call abroad",
        ),
        pytest.param(
            [
                ("Tel.: +49 30 1234567 (Frau Maier)", ""),
                ("\uff0b49\u00a030\u20111234567", ""),
                ("030/1234567", "DE"),
            ],
            "49",
            "301234567",
            id="words around it, and signs of other scripts",
        ),
        pytest.param(
            [("+49 30 1234567 ext. 12", ""), ("030 1234567-12", "DE"), ("030 1234567 x12", "DE")],
            "49",
            "30123456712",
            id="an extension stands at the end",
        ),
    ],
)
def test_one_number_is_one_however_it_is_written(
    forms: list[tuple[str, str]], code: str, number: str
) -> None:
    assert {phone_of(text, country) for text, country in forms} == {Phone(number, code)}


def test_without_any_country_the_digits_remain_without_zeros_in_front() -> None:
    assert phone_of("030 1234567", "") == Phone("301234567", "")
    assert phone_of("030 1234567", "ZZ") == Phone("301234567", "")


@pytest.mark.parametrize("text", ["", "none", "12-34", "+", "+49", "ext. 12", "\ud800", "()", "+" * 200])
def test_what_is_no_number_is_none(text: str) -> None:
    assert phone_of(text, "DE") == NONE


@settings(max_examples=200, deadline=None)
@given(
    st.one_of(st.text(max_size=60), st.text("+0123456789 ()-x.\u0663\uff11", max_size=40)),
    st.sampled_from(["", "DE", "GB", "US", "IT", "AR", "ZZ", "001"]),
)
def test_rubbish_is_taken_as_it_comes(text: str, country: str) -> None:
    found = phone_of(text, country)

    assert len(found.number) <= 20
    assert not found.number or found.number.isdecimal()
    assert found == NONE or len(found.number) >= 6


def test_the_quick_way_says_what_the_library_says_of_every_country() -> None:
    luck = random.Random(20_261_201)
    quick = 0
    for country in sorted(phonenumbers.SUPPORTED_REGIONS):
        number = phonenumbers.example_number(country)
        forms = [
            phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164),
            phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.NATIONAL),
            f"+{number.country_code}0{number.national_number}",
        ]
        forms += ["".join(luck.choices("0123456789", k=luck.randrange(6, 15))) for _ in range(20)]
        for form in forms:
            digits = "".join(sign for sign in form if sign in "+0123456789")
            said = phones._abroad(digits) if digits[0] == "+" else phones._at_home(digits, country)
            quick += said is not None
            assert said is None or said == phones._thoroughly(digits, country), (digits, country)
    assert quick > 2_000  # it would be of no use otherwise


def level(one: dict[str, str], other: dict[str, str]) -> str:
    """Return how like the phone numbers of two records are."""
    lines = compare(normalise(one), normalise(other), Frequencies())
    assert lines == compare(normalise(other), normalise(one), Frequencies())
    return next(line.level for line in lines if line.field == "phone")


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        pytest.param(
            {"phone": "+44 7911 123456"}, {"phone": "07911 123456", "country": "UK"}, "exact", id="two forms"
        ),
        pytest.param(
            {"phone": "447911123456"}, {"phone": "+44 7911 123456"}, "exact", id="a code without a plus"
        ),
        pytest.param(
            {"phone": "07911 123456"}, {"phone": "+44 7911 123456"}, "exact", id="one has no country"
        ),
        pytest.param(
            {"phone": "+49 30 1234567"}, {"phone": "+43 30 1234567"}, "near", id="the same in another country"
        ),
        pytest.param(
            {"phone": "+49 30 1234567"}, {"phone": "+43 30 1234568"}, "different", id="another country's"
        ),
        pytest.param(
            {"phone": "+49 30 1234567"}, {"phone": "+49 30 1234567 x12"}, "part", id="without its extension"
        ),
        pytest.param(
            {"phone": "+49 30 1234567"}, {"phone": "+49 30 1234576"}, "near", id="two digits swapped"
        ),
    ],
)
def test_numbers_are_alike_as_people_would_say(
    one: dict[str, str], other: dict[str, str], expected: str
) -> None:
    assert level(one, other) == expected
    if expected in ("exact", "part"):
        assert block_keys(normalise(one)) & block_keys(normalise(other))


def test_who_has_the_same_number_in_another_form_is_found_and_merged() -> None:
    store = InMemoryStore()
    known = {"name": "Ann Lee", "phone": "07911 123456", "postal": "BA1 5NH", "city": "Bath", "country": "GB"}
    store.add("ann", normalise(known))

    told = find(
        normalise({"name": "Ann Lee", "phone": "+447911123456"}), store, policy=Policy(automatic=True)
    )

    assert (told.kind, [line.level for line in told.waterfall if line.field == "phone"]) == (
        Kind.AUTO,
        ["exact"],
    )


def test_the_worlds_numbers_are_loaded_only_by_who_meets_one() -> None:
    """The web process and a worker without this step do without their memory."""
    script = (
        "import sys; from flows.matching import normalise; normalise({'name': 'Ann', 'phone': 'none'});"
        "before = 'phonenumbers' in sys.modules; normalise({'phone': '+44 7911 123456'});"
        "loaded = {name[-2:] for name in sys.modules if name.startswith('phonenumbers.data.region_')};"
        "print(before, sorted(loaded))"
    )
    told = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)

    assert told.stdout.strip() == "False ['GB']"
