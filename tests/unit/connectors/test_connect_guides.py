"""The guides for connecting name every permission that is probed and every error that a login can meet."""

from __future__ import annotations

import re

import pytest

from connectors.salesforce import logins
from connectors.salesforce.package import source
from connectors.stripe.readiness import PERMISSIONS
from tests.architecture.source import ROOT

STRIPE = (ROOT / "docs" / "connect-stripe.md").read_text()
SALESFORCE = (ROOT / "docs" / "connect-salesforce.md").read_text()


def test_the_guide_to_stripe_lists_every_permission_that_is_probed_and_no_other():
    rows = set(re.findall(r"^\| ([^|]+) \| (?:Read|Write) \|", STRIPE, flags=re.MULTILINE))

    assert rows == {*PERMISSIONS.values(), "Account"}


@pytest.mark.parametrize("problem", logins.ANSWERS, ids=lambda problem: problem.code)
def test_the_guide_to_salesforce_explains_every_refusal_of_a_login(problem: logins.LoginProblem):
    assert problem.title in SALESFORCE


def test_the_guide_to_salesforce_names_what_the_package_brings():
    flows = {name for name, _ in source.flows()}
    masters = {
        thing.name
        for thing in source.objects()
        if thing.custom and not any(field.type == "MasterDetail" for field in thing.fields)
    }

    assert {name for name in flows | masters if name not in SALESFORCE} == set()
    assert source.PERMISSION_SET in SALESFORCE
