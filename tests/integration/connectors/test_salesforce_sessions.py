"""One session serves every thread and process, and a refused login is not repeated."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection as database
from django.utils import timezone

from connectors import connections, credentials, gateway
from connectors.models import AccessToken, Connection
from connectors.salesforce import auth
from integrator.kernel import errors
from tests.builders import NOON
from tests.integration.connectors.rig import Sandbox

ROOT = Path(__file__).resolve().parents[3]
PAYMENT = {
    "object": "Payment__c",
    "external_id_field": "External_ID__c",
    "external_id": "pi_1",
    "values": {"Status__c": "Completed"},
}


def account_of(crm: Connection) -> Any:
    return credentials.account_for(crm, credentials.sealed_of(crm))


def together(count: int, work: Callable[[int], Any]) -> list[Any]:
    """Run `work` in many threads at once, each with a database connection of its own."""
    gate, results = threading.Barrier(count), [None] * count

    def one(number: int) -> None:
        try:
            gate.wait(10)
            results[number] = work(number)
        except errors.IntegrationError as failure:
            results[number] = failure
        finally:
            database.close()

    threads = [threading.Thread(target=one, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return results


def limits(crm: Connection) -> Any:
    (answer,) = gateway.call_many(connection_id=crm.pk, action="limits", requests=[{}])
    return answer


def test_a_session_is_opened_once_and_used_by_everything_after(crm, org):
    for _ in range(3):
        assert isinstance(limits(crm), dict)

    assert org.logins() == 1


def test_16_threads_whose_session_expired_log_in_once(crm, org):
    before = org.logins()
    org.delete("sessions")

    answers = together(16, lambda _: limits(crm))

    assert all(isinstance(answer, dict) for answer in answers), answers
    assert org.logins() == before + 1


def test_50_writers_that_meet_an_expired_session_cause_one_login(crm, org):
    before = org.logins()
    org.delete("sessions")

    def write(number: int) -> Any:
        request = PAYMENT | {"external_id": f"pi_{number}"}
        return gateway.call_many(connection_id=crm.pk, action="upsert", requests=[request])[0]

    answers = together(50, write)

    assert all(isinstance(answer, dict) and answer["created"] for answer in answers), answers
    assert org.logins() == before + 1


_CHILD = """
import django, json, os, sys
django.setup()
from django.db import connections
connections["default"].settings_dict["NAME"] = os.environ["TEST_DATABASE"]
from connectors import gateway
sys.stdin.readline()
answers = gateway.call_many(connection_id=int(sys.argv[1]), action="limits", requests=[{}])
print(json.dumps(isinstance(answers[0], dict)))
"""


def test_three_processes_whose_session_expired_log_in_once(crm, org):
    before = org.logins()
    org.delete("sessions")
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "TEST_DATABASE": str(database.settings_dict["NAME"]),
    }
    children = [
        subprocess.Popen(
            [sys.executable, "-c", _CHILD, str(crm.pk)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            env=environment,
            text=True,
        )
        for _ in range(3)
    ]

    for child in children:
        child.stdin.write("go\n")
        child.stdin.flush()
    outputs = [child.communicate(timeout=180)[0] for child in children]

    assert [json.loads(output) for output in outputs] == [True, True, True]
    assert org.logins() == before + 1


def test_a_holder_that_died_is_taken_over_when_its_lease_ends(crm, org):
    AccessToken.objects.update(
        ciphertext=b"", lease_owner="a dead process", lease_until=timezone.now() + timedelta(seconds=0.5)
    )

    token = auth.obtain(account_of(crm), deadline=30)

    assert token.value
    assert AccessToken.objects.get().lease_owner == ""


def test_whoever_waits_for_a_living_holder_gives_up_at_the_deadline_without_a_login(crm, org):
    before = org.logins()
    AccessToken.objects.update(
        ciphertext=b"", lease_owner="a slow process", lease_until=timezone.now() + timedelta(seconds=60)
    )

    with pytest.raises(errors.Transient) as caught:
        auth.obtain(account_of(crm), deadline=0.3)

    assert caught.value.code == "timeout"
    assert org.logins() == before


def test_a_slow_login_does_not_replace_the_session_of_whoever_took_over(crm, org):
    grant = auth.login(account_of(crm))
    AccessToken.objects.update(lease_owner="whoever took over")
    before = AccessToken.objects.get()

    token = auth.keep(crm.pk, grant, owner="the slow one")

    after = AccessToken.objects.get()
    assert (after.generation, bytes(after.ciphertext)) == (before.generation, bytes(before.ciphertext))
    assert token.generation == 0


def test_a_refused_login_is_not_repeated_by_anybody(crm, org):
    org.delete("sessions")
    _disapprove(org)
    before = org.logins()

    answers = together(8, lambda _: limits(crm))
    answers += [limits(crm) for _ in range(3)]

    assert org.logins() == before + 1
    assert {type(answer) for answer in answers} <= {errors.Unauthorized, errors.RateLimited}
    assert "not approved" in str(answers[0])


def test_a_refused_login_is_tried_again_after_somebody_resumed_the_connection(crm, org):
    org.delete("sessions")
    _disapprove(org)
    limits(crm)
    _approve(org)

    assert isinstance(limits(crm), errors.RateLimited)
    connections.resume(connection=crm, actor="otto@acme.test", now=NOON)
    assert isinstance(limits(crm), dict)


def test_a_login_with_the_old_key_leaves_no_refusal_to_the_new_one(crm, org, pem, monkeypatch):
    org.post("app", **org.app | {"approved": False})
    log_in = auth.login

    def and_meanwhile_access_is_granted_and_the_key_entered_anew(account: Any) -> Any:
        try:
            return log_in(account)
        finally:
            org.post("app", **org.app)
            connections.rotate(connection=crm, secrets={"private_key": pem}, actor="ada@acme.test", now=NOON)

    auth.forget(crm.pk)
    with monkeypatch.context() as patched:
        patched.setattr(auth, "login", and_meanwhile_access_is_granted_and_the_key_entered_anew)
        with pytest.raises(errors.Unauthorized):
            auth.obtain(account_of(crm))

    assert not AccessToken.objects.get(connection=crm).refusal
    assert auth.obtain(account_of(crm)).value


def test_a_refused_login_is_tried_again_after_a_while(crm, org):
    AccessToken.objects.update(
        ciphertext=b"",
        refused_until=timezone.now() - timedelta(milliseconds=1.5),
        refusal="The user is not approved for the app.",
        refusal_code="not_approved",
    )

    assert auth.obtain(account_of(crm)).value
    row = AccessToken.objects.get()
    assert (row.refused_until, row.refusal, row.refusal_code) == (None, "", "")


def test_the_processes_that_come_later_hear_the_reason_of_a_refusal(crm, org):
    until = timezone.now() + timedelta(minutes=5)
    AccessToken.objects.update(
        refused_until=until, refusal="The limit is reached.", refusal_code="login_rate"
    )

    with pytest.raises(errors.RateLimited, match=r"The limit is reached\.") as caught:
        auth.obtain(account_of(crm))

    assert caught.value.resets_at == until


def test_an_org_that_refuses_every_session_is_asked_twice_and_not_for_ever(crm, org):
    before = org.logins()
    org.break_(
        "before",
        match_path="/services/data/",
        params={
            "status": 401,
            "body": [{"message": "Session expired or invalid", "errorCode": "INVALID_SESSION_ID"}],
        },
    )

    first, second = limits(crm), limits(crm)

    assert isinstance(first, errors.Unauthorized)
    assert isinstance(second, errors.RateLimited)  # the connection rests
    assert org.logins() == before + 1
    assert len(org.calls("/services/data/v67.0/limits")) == 2


def test_a_session_that_the_api_never_accepts_is_not_renewed(crm, org):
    before = org.logins()
    words = "This session is not valid for use with the REST API"
    org.break_(
        "before",
        match_path="/services/data/",
        params={"status": 401, "body": [{"message": words, "errorCode": "INVALID_SESSION_ID"}]},
    )

    answer = limits(crm)

    assert isinstance(answer, errors.Unauthorized)
    assert words in str(answer)
    assert org.logins() == before


def test_a_session_of_another_org_is_never_used(crm, org):
    org.delete("sessions")
    org.post("org", org_number=2)

    (answer,) = gateway.call_many(connection_id=crm.pk, action="upsert", requests=[PAYMENT])

    assert isinstance(answer, errors.Misdirected)
    assert {call["status"] for call in org.calls("sobjects", "PATCH")} <= {401}


def test_an_org_that_changed_under_an_open_session_is_noticed_before_the_next_write(crm, org):
    """The sandbox was refreshed: the old session is over, and the same credential opens another org."""
    gateway.call_many(connection_id=crm.pk, action="upsert", requests=[PAYMENT])
    org.post("org", org_number=2)
    org.delete("sessions")

    (answer,) = gateway.call_many(connection_id=crm.pk, action="upsert", requests=[PAYMENT])

    assert isinstance(answer, errors.Misdirected)
    crm.refresh_from_db()
    assert crm.state == Connection.State.RESTING
    assert crm.paused_until is None


def test_a_session_that_does_not_open_with_our_keys_is_replaced(crm, org):
    AccessToken.objects.update(ciphertext=b"sealed with a lost key")
    before = org.logins()

    assert isinstance(limits(crm), dict)
    assert org.logins() == before + 1


def test_the_session_is_stored_sealed_and_shown_nowhere(crm):
    token = auth.obtain(account_of(crm))
    row = AccessToken.objects.get()

    assert token.value.encode() not in bytes(row.ciphertext)
    assert token.value not in repr(token)
    assert token.value not in repr(account_of(crm))


def _disapprove(org: Sandbox) -> None:
    _set_app(org, approved=False)


def _approve(org: Sandbox) -> None:
    _set_app(org, approved=True)


def _set_app(org: Sandbox, **flags: Any) -> None:
    org.post("app", **org.app, **flags)
