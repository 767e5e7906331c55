"""This module tests how SOQL is read."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from simple_salesforce import format_soql

from connectors.sandbox.salesforce.answers import Refused
from connectors.sandbox.salesforce.soql_dates import bounds
from connectors.sandbox.salesforce.soql_parser import parse
from connectors.sandbox.salesforce.soql_syntax import (
    Aggregate,
    Among,
    Children,
    Column,
    Compare,
    Day,
    Junction,
    Moment,
    Negation,
    Ordering,
    Select,
    Span,
    Text,
)


def code_of(query) -> str:
    try:
        parse(query)
    except Refused as refusal:
        return refusal.problems[0].code
    return ""


def test_a_whole_query_is_read():
    query = (
        "SELECT Id, Account__r.Name FROM Payment__c p WHERE NOT (Amount__c >= -1.5 AND Paid_At__c != null)"
        " ORDER BY Name DESC NULLS LAST, Id LIMIT 10 OFFSET 5"
    )

    assert parse(query) == Select(
        columns=(Column("Id"), Column("Account__r.Name")),
        object="Payment__c",
        alias="p",
        where=Negation(
            Junction(
                "and",
                (Compare("Amount__c", ">=", Decimal("-1.5")), Compare("Paid_At__c", "!=", None)),
            )
        ),
        order=(Ordering("Name", descending=True, nulls_last=True), Ordering("Id")),
        limit=10,
        offset=5,
    )


@pytest.mark.parametrize(
    ("literal", "value"),
    [
        ("true", True),
        ("NULL", None),
        ("12", Decimal(12)),
        ("TODAY", Span("today")),
        ("LAST_N_DAYS:30", Span("last_n_days", 30)),
        ("2026-01-01", Day("2026-01-01")),
        ("2026-01-01T00:00:00.5Z", Moment("2026-01-01T00:00:00.5Z")),
        ("2026-01-01T00:00:00+0100", Moment("2026-01-01T00:00:00+0100")),
        (r"'it\'s \\ \u0041\n'", Text("it's \\ A\n", "it's \\\\ A\n")),
    ],
)
def test_each_literal_is_read(literal, value):
    assert parse(" ".join(("SELECT Id FROM A WHERE F =", literal))).where == Compare("F", "=", value)


def test_a_list_may_mix_what_it_likes():
    where = parse("SELECT Id FROM A WHERE F NOT IN ('a', 1, null)").where

    assert where == Among("F", (Text("a", "a"), Decimal(1), None), negated=True)


@given(st.text())
def test_whatever_is_escaped_is_read_back(text):
    where = parse(format_soql("SELECT Id FROM A WHERE F = {}", text)).where

    assert isinstance(where, Compare)
    assert isinstance(where.value, Text)
    assert where.value.value == text


@pytest.mark.parametrize("opening", ["(", "NOT "])
def test_conditions_nest_only_so_deep(opening):
    closing = ")" * 5_000 if opening == "(" else ""

    assert code_of("SELECT Id FROM A WHERE " + opening * 5_000 + "F = 1" + closing) == "MALFORMED_QUERY"


@given(st.text(alphabet="SELECTFROMWHRidanot '()=,.<>!\\1-%_\n", max_size=60))
def test_nonsense_is_refused_and_never_crashes(text):
    for query in (text, " ".join(("SELECT Id FROM A WHERE", text))):
        assert code_of(query) in {"", "MALFORMED_QUERY", "INVALID_FIELD"}


def test_groups_sub_queries_and_semi_joins_are_read():
    query = (
        "SELECT StageName, COUNT(Id) n, SUM(Amount) FROM Opportunity GROUP BY StageName HAVING COUNT(Id) > 1"
        " ORDER BY COUNT(Id) DESC"
    )
    inner = (
        "SELECT (SELECT Id FROM Contacts LIMIT 2) FROM Account WHERE Id IN (SELECT AccountId FROM Contact)"
    )

    assert parse(query) == Select(
        columns=(Column("StageName"), Aggregate("count", "Id", "n"), Aggregate("sum", "Amount")),
        object="Opportunity",
        group=("StageName",),
        having=Compare("count(id)", ">", Decimal(1)),
        order=(Ordering("count(id)", descending=True),),
    )
    assert parse(inner) == Select(
        columns=(Children(Select((Column("Id"),), "Contacts", limit=2)),),
        object="Account",
        where=Among("Id", (), select=Select((Column("AccountId"),), "Contact")),
    )


@pytest.mark.parametrize(
    ("query", "column"),
    [
        ("SELECT Id FROM A WHERE F = LAST_N_WINTERS:3", 28),
        ("SELECT Id, FROM A", 12),
        ("SELECT COUNT( FROM A", 15),
        ("SELECT (SELECT (SELECT Id FROM C) FROM B) FROM A", 16),
        ("SELECT Id FROM A WHERE B IN (SELECT Id FROM C", 46),
        ("SELECT Id FROM A WHERE B = 1 AND C = 2 OR D = 3", 40),
        ("SELECT Id FROM A GROUP StageName", 24),
        ("SELECT Id FROM A LIMIT x", 24),
        ("SELECT Id FROM A ; DROP", 18),
    ],
)
def test_a_malformed_query_points_at_the_place(query, column):
    with pytest.raises(Refused) as refusal:
        parse(query)

    assert refusal.value.problems[0].code == "MALFORMED_QUERY"
    assert f"ERROR at Row:1:Column:{column}\n" in refusal.value.problems[0].message


TUESDAY = datetime(2026, 11, 24, 18, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("span", "first", "after"),
    [
        (Span("today"), "2026-11-24", "2026-11-25"),
        (Span("yesterday"), "2026-11-23", "2026-11-24"),
        (Span("last_n_days", 30), "2026-10-25", "2026-11-25"),
        (Span("next_n_days", 7), "2026-11-25", "2026-12-02"),
        (Span("this_week"), "2026-11-22", "2026-11-29"),
        (Span("last_week"), "2026-11-15", "2026-11-22"),
        (Span("last_month"), "2026-10-01", "2026-11-01"),
        (Span("next_month"), "2026-12-01", "2027-01-01"),
        (Span("this_quarter"), "2026-10-01", "2027-01-01"),
        (Span("next_quarter"), "2027-01-01", "2027-04-01"),
        (Span("last_year"), "2025-01-01", "2026-01-01"),
    ],
)
def test_a_date_literal_means_days(span, first, after):
    assert [each.date().isoformat() for each in bounds(span, TUESDAY)] == [first, after]
