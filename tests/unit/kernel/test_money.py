"""Amounts are exact, and Stripe's exponents are not ISO's."""

from __future__ import annotations

from decimal import Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrator.kernel.money import CURRENCIES, NotRepresentable, UnknownCurrency, to_major, to_minor


@pytest.mark.parametrize(
    ("minor", "currency", "major"),
    [
        pytest.param(1999, "usd", "19.99", id="two decimals"),
        pytest.param(1999, "EUR", "19.99", id="either case"),
        pytest.param(500, "jpy", "500", id="a yen has no minor unit"),
        pytest.param(1230, "kwd", "1.230", id="a dinar has three decimals"),
        pytest.param(50_000, "isk", "500.00", id="a krona keeps two decimals in the API, unlike in ISO"),
        pytest.param(50_000, "ugx", "500.00", id="so does a Ugandan shilling"),
        pytest.param(4_550, "huf", "45.50", id="a forint charge may have decimals"),
        pytest.param(-1, "usd", "-0.01", id="a refund is negative"),
        pytest.param(0, "bhd", "0.000", id="nothing is nothing"),
        pytest.param(2**53 + 1, "usd", "90071992547409.93", id="beyond what a float can count"),
    ],
)
def test_an_amount_is_turned_into_exact_major_units_and_back(minor, currency, major):
    assert str(to_major(minor, currency)) == major
    assert to_minor(Decimal(major), currency) == minor


def test_the_precision_of_the_context_never_rounds_an_amount():
    with localcontext() as context:
        context.prec = 3

        assert str(to_major(123_456_789, "usd")) == "1234567.89"
        assert to_minor(Decimal("1234567.89"), "usd") == 123_456_789


@pytest.mark.parametrize("code", ["XXX", "", "IQD", "u$d", None, 5])
def test_an_unknown_currency_is_never_taken_for_one_with_two_decimals(code):
    with pytest.raises(UnknownCurrency):
        to_major(100, code)


@pytest.mark.parametrize("minor", [19.99, "1999", True, None, Decimal(5)])
def test_minor_units_are_integers_and_nothing_else(minor):
    with pytest.raises(TypeError):
        to_major(minor, "usd")


@pytest.mark.parametrize(
    ("major", "currency", "payout"),
    [
        pytest.param("1.005", "usd", False, id="half a cent"),
        pytest.param("0.5", "jpy", False, id="half a yen"),
        pytest.param("1.234", "kwd", False, id="the last digit of three must be 0"),
        pytest.param("5.50", "isk", False, id="half a krona"),
        pytest.param("5.50", "ugx", False, id="half a Ugandan shilling"),
        pytest.param("45.50", "huf", True, id="a payout in forint is whole"),
        pytest.param("45.50", "twd", True, id="a payout in Taiwan dollars is whole"),
        pytest.param("NaN", "usd", False, id="not a number"),
        pytest.param("Infinity", "usd", False, id="infinity"),
        pytest.param("1E+999999", "usd", False, id="a number made to burn memory"),
    ],
)
def test_an_amount_is_never_rounded_to_fit(major, currency, payout):
    with pytest.raises(NotRepresentable):
        to_minor(Decimal(major), currency, payout=payout)


def test_a_float_is_no_amount():
    with pytest.raises(TypeError):
        to_minor(19.99, "usd")


def test_every_exception_of_the_table_gives_its_reason():
    special = {
        code for code, currency in CURRENCIES.items() if currency.exponent != 2 or currency.payout_step != 1
    }

    assert {"ISK", "UGX", "HUF", "TWD", "JPY", "KWD"} <= special
    assert all(CURRENCIES[code].reason for code in special)


@given(st.integers(-(10**20), 10**20), st.sampled_from(sorted(CURRENCIES)))
def test_there_and_back_again_changes_nothing(amount, code):
    minor = amount * CURRENCIES[code].step

    assert to_minor(to_major(minor, code), code) == minor
