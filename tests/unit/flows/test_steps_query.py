"""What a query of one's own may ask, and what becomes of what it finds."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from flows.engine.outcome import GiveUp
from flows.steps import soql
from integrator.kernel.errors import Transient
from tests.fakes import FakePorts
from tests.unit.flows.taking import KINDS, a_mapped, problems, take

ADA, BOB = (f"003000000000{number:03d}AAA" for number in (1, 2))

BY_EMAIL = {"soql": "SELECT Id, Name FROM Contact WHERE Email = {email}", "values": {"email": "charge.email"}}


@pytest.fixture
def ports():
    return FakePorts()


def about(run_id=1, **fields):
    return a_mapped({}, run_id=run_id, **fields)


def query(items, ports, **settings):
    return take("salesforce.query", {**BY_EMAIL, **settings}, items, ports)


def records(*names):
    return lambda _params: {
        "records": [{"Id": ident, "Name": name} for ident, name in zip((ADA, BOB), names, strict=False)]
    }


def test_a_query_is_asked_with_its_values_beside_it_and_a_limit(ports):
    ports.query = records("Ada")
    hostile = "x' OR Name != '"

    (answer,) = query([about(email=hostile)], ports)

    assert ports.asked == [
        ("query", [{"soql": f"{BY_EMAIL['soql']} LIMIT 50", "bindings": {"email": hostile}}])
    ]
    assert (answer.exit, answer.output["id"], answer.output["record"]["Name"]) == ("found", ADA, "Ada")


def test_the_same_values_are_asked_for_once(ports):
    ports.query = records("Ada")

    answers = query([about(1, email="a"), about(2, email="b"), about(3, email="a")], ports)

    assert [answer.exit for answer in answers] == ["found"] * 3
    assert [request["bindings"]["email"] for request in ports.asked[0][1]] == ["a", "b"]


def test_behind_in_a_single_value_is_a_list_of_one(ports):
    text = "SELECT Id, Name FROM Contact WHERE Email IN {email}"

    query([about(1, email="a"), about(2, email=["a", "b"])], ports, soql=text)

    assert [request["bindings"]["email"] for request in ports.asked[0][1]] == [["a"], ["a", "b"]]


@pytest.mark.parametrize("email", [None, "", []], ids=["null", "empty", "an empty list"])
def test_without_a_value_nothing_is_found_since_null_would_find_anybody(ports, email):
    ports.query = records("Ada")

    (answer,) = query([about(email=email)], ports)

    assert (answer.exit, answer.output["count"], ports.asked) == ("none", 0, [])


@pytest.mark.parametrize("email", [{"a": 1}, [["a"]], float("nan"), [None]], ids=str)
def test_what_is_no_value_harms_no_other_run(ports, email):
    ports.query = records("Ada")

    bad, good = query([about(1, email=email), about(2, email=1.5)], ports)

    assert (bad.failure.code, bad.failure.field) == ("not_a_value", "email")
    assert good.exit == "found"
    assert ports.asked[0][1][0]["bindings"] == {"email": Decimal("1.5")}


@pytest.mark.parametrize(
    ("several", "end"), [("first", (ADA, 1)), ("all", (ADA, 2))], ids=["the first", "all of them"]
)
def test_several_records_are_taken_as_the_flow_says(ports, several, end):
    ports.query = records("Ada", "Bob")

    (answer,) = query([about(email="a")], ports, several=several)

    assert (answer.output["id"], answer.output["count"]) == end


def test_several_records_fail_or_ask_as_the_flow_says(ports):
    ports.query = records("Ada", "Bob")

    (fails,) = query([about(email="a")], ports, several="fail")
    (asks,) = query([about(email="a")], ports)
    (strict,) = query([about(email="a")], ports, may_be_none=False)

    assert isinstance(fails, GiveUp)
    assert (fails.failure.error_class, fails.failure.code) == ("duplicate", "several_found")
    assert [option.value for option in asks.options] == [ADA, BOB, "none"]
    assert [option.value for option in strict.options] == [ADA, BOB]


@pytest.mark.parametrize(("answer", "end"), [(BOB, ("found", BOB)), ("none", ("none", None))])
def test_a_query_goes_on_with_what_the_person_chose(ports, answer, end):
    ports.query = records("Ada", "Bob")
    item = about(email="a")

    item.keep("here", "answer", answer)
    (done,) = query([item], ports)

    assert (done.exit, done.output["id"]) == end


def test_a_query_that_fails_is_its_own_runs_trouble(ports):
    ports.query = lambda params: Transient("503") if params["bindings"]["email"] == "a" else {"records": []}

    bad, good = query([about(1, email="a"), about(2, email="b")], ports)

    assert isinstance(bad, Transient)
    assert good.exit == "none"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("DELETE FROM Contact WHERE Id = {email}", "begins with SELECT", id="no query"),
        pytest.param("SELECT Id, Name FROM Contact WHERE A = {other}", "no value for other", id="not bound"),
        pytest.param("SELECT Id, Name FROM Contact", "does not use email", id="not used"),
        pytest.param("SELECT Id, Name FROM C WHERE A = '{email}'", "its own quotes", id="quoted twice"),
        pytest.param("SELECT Id, Name FROM C WHERE A = {email:like}", "inside of quotes", id="not quoted"),
        pytest.param("SELECT Id, Name FROM C WHERE A = {email:literal}", "Braces", id="a literal"),
        pytest.param("SELECT Id, Name FROM C WHERE A = {email.__class__}", "Braces", id="an attribute"),
        pytest.param("SELECT Id, Name FROM C WHERE A = {email!r}", "Braces", id="a conversion"),
        pytest.param("SELECT Id, Name FROM C WHERE A = {{email}}", "Braces", id="doubled braces"),
        pytest.param("SELECT Id, Name FROM C WHERE A = {email} AND B = 'x", "not closed", id="an open quote"),
        pytest.param(
            "SELECT Id, Name FROM C WHERE A = {email} LIMIT {email}", "LIMIT takes", id="a bound limit"
        ),
        pytest.param(
            "SELECT Id, Name FROM C WHERE A = {email} LIMIT 50000", "LIMIT takes", id="a high limit"
        ),
        pytest.param("SELECT Id, Name FROM C WHERE A = {email} OFFSET 5", "OFFSET may not", id="an offset"),
        pytest.param("SELECT Id, Name FROM C WHERE A = {email} FOR  UPDATE", "FOR UPDATE", id="a lock"),
        pytest.param(
            "SELECT Name FROM Contact WHERE A = {email}", "has to select id", id="no id to choose by"
        ),
    ],
)
def test_a_query_that_may_not_be_asked_is_refused_before_it_is_published(text, said):
    with pytest.raises(ValidationError, match=said):
        KINDS["salesforce.query"].settings_model.model_validate({**BY_EMAIL, "soql": text})


@pytest.mark.parametrize(
    ("text", "limited"),
    [
        ("SELECT Id FROM A", "SELECT Id FROM A LIMIT 50"),
        ("select Id from A limit 7 ", "select Id from A limit 7"),
        ("SELECT Id FROM A WHERE B = 'LIMIT 9'", "SELECT Id FROM A WHERE B = 'LIMIT 9' LIMIT 50"),
        (
            "SELECT Id, (SELECT Id FROM Bs LIMIT 1) FROM A",
            "SELECT Id, (SELECT Id FROM Bs LIMIT 1) FROM A LIMIT 50",
        ),
        (r"SELECT Id FROM A WHERE B = 'it\'s' LIMIT 3", r"SELECT Id FROM A WHERE B = 'it\'s' LIMIT 3"),
    ],
)
def test_a_query_has_a_limit(text, limited):
    assert soql.limited(text) == limited


def test_a_value_may_be_a_part_of_a_text_in_like():
    assert soql.placeholders("SELECT Id FROM A WHERE N LIKE '%{name:like}%' AND M = {name}") == ["name"]


@given(st.text(alphabet="{}':ab! \\", max_size=12))
def test_no_brace_gets_past_but_a_plain_name(text):
    try:
        names = soql.placeholders(text)
    except ValueError:
        return

    assert text.count("{") == text.count("}") >= len(names)
    assert all(name.isidentifier() for name in names)


def test_a_query_is_asked_in_salesforce():
    assert problems("salesforce.query", {**BY_EMAIL, "slot": "stripe"})[0][0] == "slot"
