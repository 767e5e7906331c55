"""Tests of past decisions against the rule for sure likenesses: what counts and what was wrong."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from flows import reviews
from flows.matching.answers import APART
from flows.matching.finding import KEYS, NAMES
from flows.models import Directory, MatchDecision, Pair
from flows.recognising import judging, rules
from flows.steps import recognise
from tests.builders import NOON
from tests.integration.flows.asking import a_question
from tests.integration.flows.given import a_live_flow
from tests.integration.flows.test_recognising import ACME, BETA, HOEFER, a_directory, ask, know

pytestmark = pytest.mark.django_db

SURE: list[list[Any]] = [["name", "exact", 0.0], ["email", "exact", 0.0]]
WEAK: list[list[Any]] = [["name", "near", 0.0], ["email", "different", 0.0]]


@pytest.fixture
def directory(pair: Pair) -> Directory:
    return a_directory(pair)


def decided(directory: Directory, number: int = 1, **fields: Any) -> None:
    told = {"findings": SURE, "others": [], "same": True, **fields}
    made = MatchDecision.objects.count()
    MatchDecision.objects.bulk_create(
        MatchDecision(
            connection=directory.connection, object="Account", stripe_id=f"cus_{made + count}",
            record_id=ACME, decided_at=NOON, decided_by="otto", **told,
        )
        for count in range(number)
    )  # fmt: skip


def past(directory: Directory, **lines: Any) -> judging.Past:
    environment = directory.connection.environment
    row = rules.row_of(environment)
    for name, value in lines.items():
        setattr(row, name, value)
    return judging.past(environment, row)


def test_a_share_is_never_rounded_up_to_all_of_them(directory: Directory) -> None:
    decided(directory, 249)
    decided(directory, same=False)

    told = past(directory)

    assert (told.rightly, told.sure, told.percent) == (249, 250, Decimal("99.60"))
    assert told.percent_at_least == Decimal("97.76")
    assert not told.are_few
    many = judging.Past(30_000, 29_999, 0, [*[one for one in told.pairs if one.same] * 121, *told.wrong])
    assert (many.percent, many.precision != 1) == (Decimal("99.99"), True)


def test_of_few_pairs_the_share_says_little(directory: Directory) -> None:
    decided(directory, judging.FEW - 1)

    told = past(directory)

    assert (told.percent, told.are_few) == (100, True)
    assert told.percent_at_least is not None
    assert told.percent_at_least < 93
    decided(directory)
    assert not past(directory).are_few


@pytest.mark.parametrize(
    ("fields", "lines"),
    [
        pytest.param({"others": [WEAK, SURE]}, {}, id="another one is as like it"),
        pytest.param({"others": [WEAK]}, {"margin": 50.0}, id="it has to be further ahead"),
        pytest.param({}, {"auto": 50.0}, id="it is not like it enough"),
        pytest.param({"veto": KEYS}, {}, id="external keys contradict"),
        pytest.param({"veto": NAMES}, {}, id="names that leave room for another person"),
        pytest.param(
            {"findings": [["name", "surname", 0.0], *SURE[1:], *SURE[1:]]}, {}, id="another given name"
        ),
    ],
)
def test_a_pair_counts_only_if_the_rule_would_take_it(
    directory: Directory, fields: dict[str, Any], lines: dict[str, Any]
) -> None:
    decided(directory, same=False, **fields)
    told = past(directory, **lines)
    assert (told.decided, told.sure, told.wrong) == (1, 0, [])

    decided(directory, same=False, others=[WEAK])
    assert past(directory).wrong[0].customer == "cus_1"


def test_decisions_of_before_are_told_and_not_judged(directory: Directory) -> None:
    decided(directory, 3, others=None)
    decided(directory)

    told = past(directory)

    assert (told.decided, told.unjudged, told.sure) == (4, 3, 1)


def test_what_the_rule_goes_by_is_kept_with_what_a_person_says(directory: Directory, pair: Pair) -> None:
    """The question is the step's own; both records are alike, so neither is sure, whatever people say."""
    a_live_flow(pair)
    know(directory, **{ACME: HOEFER, BETA: {**HOEFER, "name": "Höfer Logistik GmbH"}})
    asked = ask(directory)
    shown = [recognise._shown("Account", one, {"Id": one.id}, ()) for one in asked.candidates]
    evidence = {
        "object": "Account",
        "customer": "cus_1",
        "candidates": shown,
        "besides": [[list(found) for found in one] for one in asked.besides],
    }

    review = a_question(
        pair, recognise.AskHuman("Is it?", kind="duplicate", options=OPTIONS, evidence=evidence)
    )
    reviews.answer(review=review, value=APART, actor="otto", now=NOON)

    first, second = MatchDecision.objects.order_by("record_id")
    assert (first.veto, second.veto) == ("", NAMES)
    assert (first.others, second.others) == ([second.findings], [first.findings])
    assert first.question == review.public_id
    (wrong,) = past(directory).wrong
    assert (wrong.record, wrong.question) == (ACME, review.public_id)
    assert wrong.ahead is not None
    assert past(directory, margin=wrong.ahead + 1.0).sure == 0


OPTIONS = (recognise.Option(APART, "Another"),)


def test_one_beyond_those_that_are_shown_is_kept_too(directory: Directory) -> None:
    know(directory, **{f"00100000000000{number}AAA": HOEFER for number in range(1, 6)})

    told = ask(directory)

    assert (len(told.candidates), len(told.besides)) == (3, 1)
