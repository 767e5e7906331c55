"""Match rules by REST: drawn for one environment, with what decisions say about them."""

from __future__ import annotations

from integrator.accounts.roles import Role


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
