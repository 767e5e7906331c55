"""Mails about alerts: a mail for each, or one for many, in plain text that nobody can break out of."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from monitoring.mails import Item, Plan, about_many, about_one, plan
from tests.builders import NOON

ITEM = Item(
    title="Salesforce EMEA needs a new key",
    text="The key was refused. Enter a new one.",
    address="https://integrator.example/w/acme/dev/connections/c1/",
    where="Acme, Dev",
    opened_at=NOON,
    critical=True,
)


@pytest.mark.parametrize(
    ("waiting", "lately", "planned"),
    [
        pytest.param(1, 0, Plan.EACH, id="one"),
        pytest.param(5, 0, Plan.EACH, id="five"),
        pytest.param(6, 0, Plan.TOGETHER, id="six are a flood"),
        pytest.param(2, 3, Plan.EACH, id="five within the minute"),
        pytest.param(1, 5, Plan.LATER, id="the sixth within the minute waits"),
    ],
)
def test_more_than_five_a_minute_become_one(waiting, lately, planned):
    assert plan(waiting=waiting, sent_lately=lately) == planned


def test_a_mail_says_what_to_do_and_where():
    mail = about_one(ITEM, workspace="Acme")

    assert mail.subject == "[Acme] Salesforce EMEA needs a new key"
    assert "Enter a new one." in mail.body
    assert ITEM.address in mail.body
    assert "Since 24 Nov 2026 12:00 UTC in Acme, Dev." in mail.body


def test_what_is_over_says_so_and_gives_no_advice():
    mail = about_one(replace(ITEM, closed_at=NOON + timedelta(minutes=9)), workspace="Acme")

    assert mail.subject == "[Acme] Over: Salesforce EMEA needs a new key"
    assert "until 24 Nov 2026 12:09 UTC" in mail.body
    assert "Enter a new one." not in mail.body


def test_many_alerts_are_one_mail_with_the_critical_ones_first():
    minor = replace(ITEM, title="A question waits", critical=False)

    mail = about_many([minor, ITEM, replace(minor, closed_at=NOON)], workspace="Acme")

    assert mail.subject == "[Acme] 2 alerts"
    assert mail.body.index(ITEM.title) < mail.body.index("A question waits")


@pytest.mark.parametrize("name", ["Evil\r\nBcc: all@example.test", "Evil\u2028Bcc: x", "Evil\x0bBcc: x\x00"])
def test_a_name_cannot_begin_a_new_header(name):
    mail = about_one(replace(ITEM, title=name), workspace=name)

    assert mail.subject.isprintable()
    assert len(mail.subject.splitlines()) == 1


def test_a_subject_is_not_endless():
    assert len(about_one(replace(ITEM, title="x" * 500), workspace="Acme").subject) <= 150
