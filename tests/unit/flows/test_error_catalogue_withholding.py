"""What leaves the house of an error's message says nothing of anybody, whatever stands in the message."""

from __future__ import annotations

import random
import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.error_catalogue.withholding import LEFT_OUT, LONGEST, code_of, withheld

KEEP = frozenset({"Stripe_Customer_Id__c", "Account", "Amount__c"})

# Personal data and secrets of many shapes, as they stand in messages of real systems.
PLANTED = [
    "jenny.rosen@example.com",
    "Jenny Rosen",
    "jenny rosen",
    "JENNY ROSEN",
    "O'Brien",
    "Müller-Lüdenscheidt",
    "Ли Вэй",
    "李小龍",
    "محمد",
    "Will Price",
    "Mark Field",
    "May",
    "cus_Q1a2b3c4",
    "ch_3Px",
    "0015g00000AbCdE",
    "0015g00000AbCdEFGH",
    "sk_live_51Habc",
    "rk_test_abc",
    "whsec_abc123",
    "igr_0123456789abcdef",
    "hunter2",
    "correcthorsebatterystaple",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIi.abc",
    "4242 4242 4242 4242",
    "4242424242424242",
    "DE89 3704 0044 0532 0130 00",
    "+49 30 123456",
    "(555) 123-4567",
    "1.299,00",
    "€1299",
    "$12",
    "1299",
    "12%",
    "2026-11-30",
    "30.11.2026",
    "10:31",
    "192.168.0.1",
    "::1",
    "https://acme.example/x?token=abc",
    "www.acme.example",
    "acme.my.salesforce.com",
    "C:\\Users\\jenny",
    "/home/jenny",
    "Bearer abcdefgh",
    "postgres://u:p@h/db",
    "AKIAIOSFODNN7EXAMPLE",
    "ghp_abcdef",
    "-----BEGIN PRIVATE KEY-----",
    "ssn 078-05-1120",
    "a1b2c3d4-e5f6-7890-abcd-ef1234567890",
    "DEADBEEF",
    "Hauptstraße 5",
    "Baker Street",
    "SW1A 1AA",
    "j\u200benny",
    "je\u00adnny",
    "ｊｅｎｎｙ",
    "jenny\u202erosen",
    "Rosen,Jenny",
    "jenny/rosen",
    "jenny-rosen",
    "jenny_rosen",
    "JENNY_ROSEN",
    "Jenny__c",
    "name=Jenny",
    "{name:Jenny}",
    "<b>Jenny</b>",
    "${jenny}",
]
FRAMES = [
    "{}",
    "Value {} is invalid",
    "Required field was empty: {}",
    "bad value for restricted picklist field: {}",
    "The record of {}, the owner, could not be saved",
    "({})",
    "'{}'",
    '"{}"',
    "“{}”",
    "value:{}.",
    "{} {}",
    "Validation failed for {}; record locked",
    "\n{}\n",
    "`{}`",
    "[{}]",
    "«{}»",
    '"{} without an end',
    "the customer's {} and the org's {}",
]


def words(text: str) -> set[str]:
    return {word.strip(".,:;!?'\"()") for word in text.replace(LEFT_OUT, " ").split()} - {""}


@pytest.mark.parametrize("planted", PLANTED)
def test_no_personal_datum_and_no_secret_passes_in_any_frame(planted: str) -> None:
    pieces = [piece for piece in planted.replace("/", " ").split() if len(piece) > 1]
    for frame in FRAMES:
        said = withheld(frame.replace("{}", planted), keep=KEEP)
        usual = words(withheld(frame.replace("{}", "\u2022"), keep=KEEP))
        assert planted not in said
        # What is more than the frame's own words are words that say nothing of anybody.
        assert not {one for one in words(said) - usual if one in pieces and one.lower() not in HARMLESS}, said


BETWEEN_WORDS = re.compile(r"(?<=[A-Za-z])/(?=[A-Za-z])")  # both of which are known, such as "insert/update"
HARMLESS = frozenset({"price", "field", "key", "private", "street", "name", "and"})


@given(st.text(max_size=300))
def test_whatever_comes_in_only_known_words_go_out(message: str) -> None:
    said = withheld(message, keep=KEEP)

    assert len(said) <= LONGEST
    assert not any(sign.isdigit() or sign in "@\\<>=%€$" for sign in said)
    assert "/" not in BETWEEN_WORDS.sub("", said)
    assert all(ord(sign) < 128 for sign in said.replace(LEFT_OUT, ""))


def test_random_words_within_an_error_never_pass() -> None:
    dice = random.Random(7)
    for _ in range(2_000):
        secret = "".join(dice.choices(string.ascii_letters + string.digits + "_-", k=dice.randint(9, 40)))
        assert secret not in withheld(f"The value {secret} of the field is invalid", keep=KEEP)


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (
            "Foreign key external ID: cus_1 not found for field Stripe_Customer_Id__c in entity Account",
            "Foreign key external ID: […] not found for field Stripe_Customer_Id__c in entity Account",
        ),
        (
            "T: execution Before caused by: System.NullPointerException: Attempt to de-reference an object",
            "[…]: execution […] by: System.NullPointerException: Attempt to de-reference an object",
        ),
        ("Required fields are missing: [LastName]", "Required fields are missing: […]"),
        ("The field “Account” and the field “Jenny”", "The field Account and the field […]"),
        ("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY"),
        ("", ""),
    ],
)
def test_what_an_error_is_about_stays(message: str, said: str) -> None:
    assert withheld(message, keep=KEEP) == said


def test_what_is_left_out_in_a_row_does_not_even_tell_its_length() -> None:
    assert withheld("Value xq yq zq 1 2 3 is invalid") == withheld("Value xq is invalid")


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("FIELD_CUSTOM_VALIDATION_EXCEPTION", "FIELD_CUSTOM_VALIDATION_EXCEPTION"),
        ("resource_missing", "resource_missing"),
        ("JENNY_ROSEN", LEFT_OUT),
        ("hunter2", LEFT_OUT),
        ("", LEFT_OUT),
    ],
)
def test_codes_are_told_where_they_consist_of_known_words(code: str, said: str) -> None:
    assert code_of(code) == said
