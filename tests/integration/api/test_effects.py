"""Effects by REST, and flows that are held: what was left out is done, and what waits may try."""

from __future__ import annotations

import pytest

from flows import holds
from flows.models import Effect, Run
from integrator import vault
from integrator.accounts.models import AuditEntry
from integrator.accounts.roles import Role
from tests.builders import NOON
from tests.integration.api.conftest import CANARY, Program, staged


def an_effect(stage, state, key="x"):
    """Return an effect of the staged run."""
    return Effect.objects.create(
        pair=stage.pair, key=key, kind="starting", purpose="Start Stripe_Dunning", flow=stage.deployment.flow,
        step="dun", run=stage.run, record="pi_1", occurrence="evt_1", slot="salesforce", action="start_flow",
        request=vault.seal(b'{"flow": "x"}', owner=f"effect:{stage.pair.pk}"), state=state,
        reason=f"It said {CANARY}", created_at=NOON,
    )  # fmt: skip


def test_every_effect_that_was_left_out_is_found(admin, stage):
    left, _ = an_effect(stage, "skipped"), an_effect(stage, "done", "y")

    for query in ({"state": "skipped"}, {"state": "skipped", "flow": stage.deployment.flow.public_id}):
        (row,) = admin.get("effects/", **query).json()["results"]
        assert (row["id"], row["run"], row["record"]) == (left.public_id, stage.run.public_id, "pi_1")
        assert CANARY not in row["reason"]
    assert len(admin.get("effects/", run=stage.run.public_id, record="pi_1").json()["results"]) == 2
    assert admin.get("effects/", environment="qa").json()["results"] == []
    assert admin.get(f"effects/{left.public_id}/").json()["state"] == "skipped"


def test_what_was_left_out_is_done_by_a_run_of_its_own(admin, stage):
    path = f"effects/{an_effect(stage, 'skipped').public_id}/insist/"

    first, second = admin.post(path), admin.post(path)

    run = Run.objects.get(public_id=first.json()["run"])
    assert (run.insisted, run.fetch_first, run.replay, run.state) == (True, True, 1, "ready")
    assert (second.status_code, second["Content-Type"]) == (409, "application/problem+json")


@pytest.mark.parametrize("state", ["done", "sent", "planned", "refused", "in_doubt"])
def test_only_what_was_left_out_can_be_insisted_on(admin, stage, state):
    assert admin.post(f"effects/{an_effect(stage, state).public_id}/insist/").status_code == 409
    assert Run.objects.count() == 1


def test_a_doubt_is_settled(admin, stage):
    path = f"effects/{an_effect(stage, 'in_doubt').public_id}/settle/"

    assert admin.post(path, {}).status_code == 400
    assert admin.post(path, {"happened": True}).json()["state"] == "done"
    assert admin.post(path, {"happened": True}).status_code == 409
    assert AuditEntry.objects.get(action="effect.decided").actor == "token admin program"


def test_who_may_not_decide_is_refused_and_a_stranger_finds_nothing(program, stage):
    effect = an_effect(stage, "skipped")
    stranger = Program(Role.ADMIN, staged("globex").workspace)

    assert program(Role.DESIGNER).post(f"effects/{effect.public_id}/insist/").status_code == 403
    assert stranger.post(f"effects/{effect.public_id}/insist/").status_code == 404
    assert stranger.get("effects/").json()["results"] == []


# Held flows


def test_a_held_flow_is_found_and_let_go(admin, stage):
    path = f"deployments/{stage.deployment.pk}/try/"
    assert admin.post(path).status_code == 409
    holds.hold(
        stage.deployment.version_id, stage.pair.pk, until=NOON, reason=f"No such field {CANARY}", now=NOON
    )

    (held,) = admin.get("deployments/", held="true").json()["results"]
    freed = admin.post(path)

    assert held["held_since"] == "2026-11-24T12:00:00Z"
    assert held["held_reason"].startswith("No such field")
    assert CANARY not in held["held_reason"]
    assert (freed.status_code, freed.json()["held_since"], freed.json()["held_reason"]) == (200, None, "")
    assert admin.get("deployments/", held="true").json()["results"] == []
    assert len(admin.get("deployments/", held="false").json()["results"]) == 1


def test_an_operator_may_release_and_an_approver_may_not(program, stage):
    holds.hold(stage.deployment.version_id, stage.pair.pk, until=NOON, reason="x", now=NOON)
    path = f"deployments/{stage.deployment.pk}/try/"

    assert program(Role.APPROVER).post(path).status_code == 403
    assert program(Role.OPERATOR).post(path).status_code == 200
