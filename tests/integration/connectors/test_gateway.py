"""The gateway is the one way out: guarded, measured, and at rest when the connection is at fault."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from connectors import connections, gateway, registry
from connectors.models import Connection
from connectors.signals import connection_changed
from integrator.kernel import errors
from tests.builders import NOON
from tests.integration.connectors.rig import STRIPE_KEY

PAYMENT = {
    "object": "Payment__c",
    "external_id_field": "External_ID__c",
    "external_id": "pi_1",
    "values": {"Status__c": "Completed"},
}


def write(connection: Connection) -> Any:
    return gateway.call_many(connection_id=connection.pk, action="upsert", requests=[PAYMENT])[0]


def read(connection: Connection) -> Any:
    request = {"type": "charge", "id": "ch_1"}
    return gateway.call_many(connection_id=connection.pk, action="retrieve", requests=[request])[0]


def test_nothing_is_called_inside_a_transaction(crm):
    with transaction.atomic(), pytest.raises(RuntimeError, match="transaction"):
        write(crm)


def test_nothing_to_ask_is_nothing_to_call(crm):
    assert gateway.call_many(connection_id=crm.pk, action="upsert", requests=[]) == []


def test_an_action_that_does_not_exist_is_a_bug_of_the_caller(crm):
    with pytest.raises(ValueError, match="no action"):
        gateway.call_many(connection_id=crm.pk, action="delete", requests=[{}])


def test_a_connection_that_was_never_tested_does_not_write(untested_crm, org):
    answer = write(untested_crm)

    assert isinstance(answer, errors.Misdirected)
    assert not org.calls("sobjects")


@pytest.mark.parametrize(
    "pinned", [{"pinned_account": "acct_other"}, {"pinned_livemode": True}], ids=["account", "mode"]
)
def test_a_key_that_leads_elsewhere_writes_nothing(billing, stripe_sandbox, pinned):
    Connection.objects.filter(pk=billing.pk).update(**pinned)

    with pytest.raises(errors.Misdirected):
        connections.register_webhook(
            connection=billing, public_url="https://acme.test", actor="ada@acme.test", now=NOON
        )

    assert not stripe_sandbox.calls("/v1/webhook_endpoints", "POST")
    assert not billing.webhook_endpoints.exists()
    billing.refresh_from_db()
    assert billing.state == Connection.State.RESTING


def test_a_test_that_succeeds_ends_the_rest(crm, org):
    Connection.objects.filter(pk=crm.pk).update(pinned_account="00D000000000001AAA")
    write(crm)
    Connection.objects.filter(pk=crm.pk).update(pinned_account=crm.pinned_account)
    crm.refresh_from_db()

    connections.test(connection=crm, actor="ada@acme.test", now=NOON)

    assert write(crm)["created"]


@pytest.mark.parametrize("state", ["paused", "resting"])
def test_a_connection_that_is_not_in_use_answers_without_a_call(crm, org, state):
    until = None if state == "paused" else timezone.now() + timedelta(minutes=5)
    Connection.objects.filter(pk=crm.pk).update(state=state, paused_until=until, state_reason="Because.")
    gateway.forget(crm.pk)
    before = len(org.calls("/services"))

    answer = write(crm)

    assert isinstance(answer, errors.RateLimited)
    assert answer.resets_at == until
    assert "Because." in str(answer)
    assert len(org.calls("/services")) == before


def test_a_used_up_budget_rests_the_connection_and_tells_until_when(crm, org):
    org.post("limits", daily=10, used=10)

    answer = write(crm)

    assert isinstance(answer, errors.RateLimited)
    crm.refresh_from_db()
    assert crm.state == Connection.State.RESTING
    assert crm.paused_until == answer.resets_at
    assert crm.paused_until > timezone.now() + timedelta(minutes=10)


def test_the_last_part_of_the_budget_is_kept_for_people(crm, org):
    org.post("limits", daily=100, used=0)
    org.post("limits", used=88)

    assert isinstance(write(crm), dict)
    crm.refresh_from_db()
    assert crm.state == Connection.State.ACTIVE
    assert isinstance(write(crm), dict)  # the 90th call

    crm.refresh_from_db()
    assert crm.state == Connection.State.RESTING
    assert "90 of the 100 API calls" in crm.state_reason
    before = len(org.calls("/services"))
    for _ in range(20):
        assert isinstance(write(crm), errors.RateLimited)
    assert len(org.calls("/services")) == before


def test_a_reserve_that_is_used_up_costs_one_call_for_each_look(crm, org):
    org.post("limits", daily=100, used=95)
    write(crm)
    Connection.objects.filter(pk=crm.pk).update(paused_until=timezone.now() - timedelta(seconds=1))
    gateway.forget(crm.pk)
    before = len(org.calls("/services"))

    write(crm)
    crm.refresh_from_db()
    assert (crm.state, len(org.calls("/services"))) == (Connection.State.RESTING, before + 1)

    org.post("limits", used=10)
    Connection.objects.filter(pk=crm.pk).update(paused_until=timezone.now() - timedelta(seconds=1))
    gateway.forget(crm.pk)
    write(crm)
    crm.refresh_from_db()
    assert crm.state == Connection.State.ACTIVE


def test_a_connection_may_have_a_share_of_its_own(crm, org):
    Connection.objects.filter(pk=crm.pk).update(settings={**crm.settings, "api_share": 100})
    org.post("limits", daily=100, used=95)

    write(crm)

    crm.refresh_from_db()
    assert crm.state == Connection.State.ACTIVE


def test_a_rate_limit_of_stripe_rests_the_connection_as_long_as_it_says(billing, stripe_sandbox):
    stripe_sandbox.break_(
        "before",
        match_path="/v1/charges",
        params={"status": 429, "headers": {"Retry-After": "7"}, "body": {"error": {"message": "Slow down"}}},
    )

    answer = read(billing)

    assert isinstance(answer, errors.RateLimited)
    assert 5 < (answer.resets_at - timezone.now()).total_seconds() <= 7
    assert len(stripe_sandbox.calls("/v1/charges")) == 1  # nothing was retried behind our back


def test_a_lock_on_an_object_rests_nothing(billing, stripe_sandbox):
    body = {"error": {"message": "Try again", "code": "lock_timeout", "type": "invalid_request_error"}}
    stripe_sandbox.break_("before", match_path="/v1/charges", params={"status": 429, "body": body})

    answer = read(billing)

    assert type(answer) is errors.Transient
    assert answer.code == "lock_timeout"
    billing.refresh_from_db()
    assert billing.state == Connection.State.ACTIVE


def test_a_dead_key_rests_the_connection(billing, stripe_sandbox):
    connections.rotate(
        connection=billing, secrets={"secret_key": "sk_test_rolled"}, actor="ada@acme.test", now=NOON
    )

    assert isinstance(read(billing), errors.Unauthorized)
    assert isinstance(read(billing), errors.RateLimited)
    assert len(stripe_sandbox.calls("/v1/charges")) == 1


def test_a_call_that_was_made_with_the_old_key_does_not_rest_what_has_a_new_one(
    billing, stripe_sandbox, monkeypatch
):
    ada: dict[str, Any] = {"connection": billing, "actor": "ada@acme.test", "now": NOON}
    connections.rotate(secrets={"secret_key": "sk_test_rolled"}, **ada)
    ask = gateway._ask

    def and_meanwhile_a_person_enters_another(*given: Any) -> Any:
        answers = ask(*given)
        connections.rotate(secrets={"secret_key": STRIPE_KEY}, **ada)
        return answers

    with monkeypatch.context() as patched:
        patched.setattr(gateway, "_ask", and_meanwhile_a_person_enters_another)
        assert isinstance(read(billing), errors.Unauthorized)

    assert Connection.objects.get(pk=billing.pk).state == Connection.State.ACTIVE
    assert not isinstance(read(billing), errors.Unauthorized | errors.RateLimited)


def test_a_call_to_the_old_address_does_not_rest_what_has_a_new_one(billing, stripe_sandbox, monkeypatch):
    ada: dict[str, Any] = {"connection": billing, "actor": "ada@acme.test", "now": NOON}
    connections.rotate(secrets={"secret_key": "sk_test_rolled"}, **ada)
    ask = gateway._ask

    def and_meanwhile_it_is_moved(*given: Any) -> Any:
        answers = ask(*given)
        connections.move(base_url=billing.base_url.replace("127.0.0.1", "localhost"), **ada)
        return answers

    with monkeypatch.context() as patched:
        patched.setattr(gateway, "_ask", and_meanwhile_it_is_moved)
        assert isinstance(read(billing), errors.Unauthorized)

    assert Connection.objects.get(pk=billing.pk).state == Connection.State.ACTIVE


def test_the_first_try_after_a_rest_is_one_and_wakes_the_connection(crm, org):
    over = timezone.now() - timedelta(seconds=1)
    Connection.objects.filter(pk=crm.pk).update(state="resting", paused_until=over)
    gateway.forget(crm.pk)

    assert write(crm)["created"]

    crm.refresh_from_db()
    assert crm.state == Connection.State.ACTIVE
    assert crm.paused_until is None


def test_while_somebody_probes_the_others_wait(crm, org):
    over = timezone.now() - timedelta(seconds=1)
    Connection.objects.filter(pk=crm.pk).update(state="resting", paused_until=over)
    crm.refresh_from_db()
    gateway.forget(crm.pk)
    gateway.call_many(connection_id=crm.pk, action="limits", requests=[])
    assert crm.probe(now=timezone.now(), patience=timedelta(seconds=30))
    before = len(org.calls("/services"))

    assert isinstance(write(crm), errors.RateLimited)
    assert len(org.calls("/services")) == before


def test_an_outage_rests_the_connection_after_three_calls_and_burns_nothing_more(billing, stripe_sandbox):
    stripe_sandbox.break_("before", match_path="/v1/charges", params={"status": 503})

    answers = [read(billing) for _ in range(5)]

    kinds = [type(answer) for answer in answers]
    assert kinds == [errors.Transient] * 3 + [errors.RateLimited] * 2
    assert len(stripe_sandbox.calls("/v1/charges")) == 3
    billing.refresh_from_db()
    assert billing.paused_until - timezone.now() < timedelta(seconds=10)


def test_an_outage_that_goes_on_rests_longer_and_the_end_of_it_is_noticed(billing, stripe_sandbox):
    stripe_sandbox.break_("before", match_path="/v1/charges", params={"status": 503})
    for _ in range(3):
        read(billing)
    _end_the_rest(billing)
    again = timezone.now()
    read(billing)
    billing.refresh_from_db()
    assert billing.state == Connection.State.RESTING
    assert billing.paused_until > again + timedelta(seconds=8)

    stripe_sandbox.delete("faults")
    _end_the_rest(billing)
    read(billing)

    billing.refresh_from_db()
    assert billing.state == Connection.State.ACTIVE


def test_a_refusal_is_an_answer_and_ends_the_count_of_silent_calls(billing, stripe_sandbox):
    for _ in range(4):
        stripe_sandbox.break_("before", match_path="/v1/charges", times=2, params={"status": 503})
        assert [type(read(billing)) for _ in range(3)] == [errors.Transient] * 2 + [errors.Missing]


def test_health_is_kept_and_not_written_for_every_call(billing, django_assert_num_queries):
    read(billing)
    billing.refresh_from_db()
    assert billing.last_success_at is not None

    with django_assert_num_queries(0):
        for _ in range(10):
            read(billing)


def test_a_failure_is_written_at_once(billing, stripe_sandbox):
    read(billing)
    stripe_sandbox.break_("before", match_path="/v1/charges", params={"status": 503})

    read(billing)

    billing.refresh_from_db()
    assert billing.last_failure_at is not None
    assert billing.last_failure == "The sandbox was told to fail."


def test_a_change_by_somebody_else_is_seen_within_a_second(billing):
    assert gateway.FRESH_SECONDS <= 1.0
    read(billing)
    Connection.objects.filter(pk=billing.pk).update(state="paused")
    started = time.monotonic()

    while not isinstance(read(billing), errors.RateLimited):
        assert time.monotonic() - started < 20


def test_our_own_budget_holds_calls_back_and_is_no_fault_of_the_connection(billing, stripe_sandbox, settings):
    settings.WORKERS = 1
    Connection.objects.filter(pk=billing.pk).update(settings={"requests_per_second": 4})
    gateway.forget_all()
    request = {"type": "charge", "id": "ch_1"}

    answers = gateway.call_many(
        connection_id=billing.pk, action="retrieve", requests=[request] * 8, deadline=1.0
    )

    held = [answer for answer in answers if answer.code == "budget"]
    assert 2 <= len(held) < 8  # a busy machine makes fewer calls in that second, never more
    assert len(stripe_sandbox.calls("/v1/charges")) == 8 - len(held)
    billing.refresh_from_db()
    assert billing.state == Connection.State.ACTIVE


def test_a_rest_is_told_once_it_is_committed(crm, org):
    told: list[str] = []

    def listen(**change: Any) -> None:
        told.append(change["state"])

    connection_changed.connect(listen)
    try:
        org.post("limits", daily=10, used=10)
        write(crm)
        connections.resume(connection=crm, actor="otto@acme.test", now=NOON)
    finally:
        connection_changed.disconnect(listen)

    assert told == ["resting", "active"]


def test_a_credential_that_no_key_opens_is_asked_for_anew(billing, settings):
    settings.ENCRYPTION_KEYS = ["bmV3LWtleS1uZXcta2V5LW5ldy1rZXktbmV3LWtleSE="]

    answer = read(billing)

    assert isinstance(answer, errors.Unauthorized)
    assert answer.code == "needs_credentials"


def test_two_connectors_of_one_name_are_refused(monkeypatch):
    registry.load.cache_clear()
    monkeypatch.setattr(registry, "OURS", (*registry.OURS, registry.OURS[0]))

    with pytest.raises(ValueError, match="stripe"):
        registry.load()

    registry.load.cache_clear()


@pytest.mark.parametrize("connector", registry.load().values(), ids=lambda connector: connector.slug)
def test_every_connector_explains_itself(connector):
    assert connector.label
    assert connector.__doc__
    assert all(action.label and action.batch >= 1 for action in connector.actions.values())
    assert all(name == action.name for name, action in connector.actions.items())


def _end_the_rest(connection: Connection) -> None:
    Connection.objects.filter(pk=connection.pk).update(paused_until=timezone.now() - timedelta(seconds=1))
    gateway.forget(connection.pk)
