"""Match rules by REST: drawn for one environment, with what decisions say about them."""

from __future__ import annotations

from flows.models import MatchDecision
from integrator.accounts.roles import Role
from tests.builders import NOON


def test_rules_are_drawn_for_one_environment(program, stage):
    admin = program(Role.ADMIN)

    drawn = admin("PATCH", "match-rules/dev/", {"automatic": True, "auto": 7.5})

    assert (drawn.status_code, drawn.json()["auto"], drawn.json()["decided"]) == (200, 7.5, 0)
    told = {row["environment"]: row["automatic"] for row in program(Role.VIEWER).get("match-rules/").json()}
    assert (told["dev"], told["qa"]) == (True, False)


def test_lines_that_contradict_each_other_name_the_field(admin):
    refused = admin("PATCH", "match-rules/dev/", {"review": 9})

    assert refused.status_code == 400
    assert refused.json()["errors"][0]["field"] == "review"


def test_who_may_not_draw_them_is_refused(program, stage):
    assert program(Role.OPERATOR)("PATCH", "match-rules/dev/", {"automatic": True}).status_code == 403


def test_it_is_told_how_often_sure_pairs_were_right_and_which_were_not(program, stage):
    org = stage.pair.salesforce
    findings = [["name", "exact", 0.0], ["email", "exact", 0.0]]
    for number in range(4):
        MatchDecision.objects.create(
            connection=org, object="Account", stripe_id=f"cus_{number}", record_id="001000000000001AAA",
            same=number > 0, findings=findings, others=[] if number < 3 else None, question="q1",
            decided_at=NOON, decided_by="otto",
        )  # fmt: skip
    viewer = program(Role.VIEWER)

    told = viewer.get("match-rules/dev/").json()
    (wrong,) = viewer.get("match-rules/dev/wrong/").json()

    figures = ("decided", "unjudged", "sure", "rightly", "are_few")
    assert [told[name] for name in figures] == [4, 1, 3, 2, True]
    assert told["at_least"] < told["precision"] < 0.67
    assert (wrong["customer"], wrong["connection"], wrong["ahead"]) == ("cus_0", org.public_id, None)
    assert viewer.get("match-rules/qa/wrong/").json() == []
