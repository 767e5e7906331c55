"""This module tests that what many runs look for by an id is asked once, and found as if each had asked."""

from __future__ import annotations

from typing import Any

import pytest

from connectors.salesforce.ids import as_18
from flows.steps import together
from flows.steps.list_records import ListRecordsSettings
from integrator.kernel.errors import Refused, Transient

# The last two differ in capitals alone before their checksums.
ONE, OTHER, THIRD, ALIKE = map(
    as_18, ("001A0000000001a", "001A0000000002b", "001A0000000003c", "001A0000000001A")
)


class Org:
    """An org that answers queries from rows of owner and id, and counts what it is asked."""

    def __init__(self, *rows: tuple[str, str], refuses: Any = None) -> None:
        self.rows = rows
        self.refuses = refuses  # the answer to every query of several ids
        self.asked: list[Any] = []

    def __call__(self, requests: Any) -> list[Any]:
        return [self._answer(request) for request in requests]

    def _answer(self, request: Any) -> Any:
        self.asked.append(request)
        wanted = request["bindings"]["v0"]
        if isinstance(wanted, list) and self.refuses is not None:
            return self.refuses
        several = wanted if isinstance(wanted, list) else [wanted]
        alike = {one.lower() for one in several}
        found = [{"Id": id_, "Owner__c": owner} for owner, id_ in self.rows if owner.lower() in alike]
        if isinstance(wanted, str):
            limit = int(request["soql"].rsplit(" ", 1)[1])
            found = [{"Id": one["Id"]} for one in found[:limit]]
        return {"records": found}


def a_query(**settings: Any) -> together.Together:
    known = {
        "object": "Thing__c",
        "where": [{"field": "Owner__c", "from": ["Id"]}, {"field": "Gone__c", "value": False}],
        "fields": ["Id"],
        "limit": 1,
    }
    found = ListRecordsSettings.model_validate({**known, **settings}).together()
    assert found is not None
    return found


def ids(answers: list[Any]) -> list[list[str]]:
    return [[record["Id"] for record in answer["records"]] for answer in answers]


def wanted(*owners: str) -> list[dict[str, Any]]:
    return [{"v0": owner, "v1": False} for owner in owners]


def test_many_ids_are_asked_for_with_one_query_and_each_run_has_its_own_records() -> None:
    org = Org((ONE, "a"), (OTHER, "b"), (ONE, "c"), (ONE, "d"), (ALIKE, "e"))

    found = a_query().ask(wanted(OTHER, ONE, THIRD, ALIKE), org)

    assert ids(found) == [
        ["b"],
        ["a", "c"],
        [],
        ["e"],
    ]  # of ONE there is one more than the limit, which is told
    assert [request["soql"] for request in org.asked] == [
        "SELECT Id, Owner__c FROM Thing__c WHERE Owner__c IN {v0} AND Gone__c = {v1} ORDER BY Id LIMIT 2000"
    ]
    assert found[:1] == [{"records": [{"Id": "b"}]}]  # the owner was not among the fields of the step


@pytest.mark.parametrize(
    ("owners", "why"),
    [
        (("Acme", "acme"), "names, which are equal with other capitals"),
        ((ONE[:15], ALIKE[:15]), "ids without checksums, which are equal but for capitals"),
        ((ONE,), "a single id"),
    ],
)
def test_what_cannot_be_told_apart_is_asked_one_by_one(owners: tuple[str, ...], why: str) -> None:
    org = Org((owners[0], "a"))

    found = a_query().ask(wanted(*owners), org)

    assert ids(found)[0] == ["a"], why
    assert [request["bindings"]["v0"] for request in org.asked] == list(owners)


def test_an_answer_that_may_not_be_whole_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(together, "MOST", 3)
    org = Org((ONE, "a"), (ONE, "b"), (ONE, "c"), (OTHER, "d"))

    assert ids(a_query().ask(wanted(ONE, OTHER), org)) == [["a", "b"], ["d"]]
    assert len(org.asked) == 3


def test_one_value_that_is_refused_does_not_stop_the_others() -> None:
    org = Org((ONE, "a"), (OTHER, "b"), refuses=Refused("Too long.", code="QUERY_TOO_LONG"))

    assert ids(a_query().ask(wanted(ONE, OTHER), org)) == [["a"], ["b"]]


def test_an_org_that_does_not_answer_is_not_asked_again_for_each() -> None:
    failure = Transient("It takes too long.", code="timeout")
    org = Org(refuses=failure)

    assert a_query().ask(wanted(ONE, OTHER), org) == [failure, failure]
    assert len(org.asked) == 1


def test_runs_that_differ_in_more_than_the_id_ask_apart() -> None:
    org = Org((ONE, "a"), (OTHER, "b"))
    several = [{"v0": ONE, "v1": False}, {"v0": OTHER, "v1": True}]

    assert ids(a_query().ask(several, org)) == [["a"], ["b"]]
    assert len(org.asked) == 2


@pytest.mark.parametrize(
    "where",
    [
        [{"field": "Owner__r.Id", "from": ["Id"]}],
        [{"field": "Owner__c", "is": "not_equal", "from": ["Id"]}],
        [{"field": "Owner__c", "value": ONE}],
    ],
)
def test_other_conditions_are_asked_by_each_run(where: list[Any]) -> None:
    settings = ListRecordsSettings.model_validate({"object": "Thing__c", "where": where})

    assert settings.together() is None


def test_where_one_of_several_conditions_is_enough_each_run_asks() -> None:
    where = [{"field": "Owner__c", "from": ["Id"]}, {"field": "Other__c", "from": ["Id"]}]
    settings = ListRecordsSettings.model_validate({"object": "Thing__c", "where": where, "match": "any"})

    assert settings.together() is None
