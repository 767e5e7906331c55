"""Sessions: how long each lasts, used or not, and what a person sees and ends of their own."""

from __future__ import annotations

import re
from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.contrib.auth import get_user
from django.core.cache import cache
from django.db import OperationalError
from django.test import Client
from django.utils import timezone

from integrator.accounts.models import Session
from integrator.accounts.roles import Role
from integrator.accounts.sessions import SessionStore
from tests.builders import a_person, a_workspace

PASSWORD = "correct horse battery"
PAGE = "/api/docs/"
FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:144.0) Gecko/20100101 Firefox/144.0"
SAFARI = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 Version/18.5 Safari/604.1"
)

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _no_memory_of_earlier_attempts():
    cache.clear()


@pytest.fixture
def ada():
    return a_person("ada@acme.test", Role.DESIGNER)


def signed_in(browser: str = FIREFOX, email: str = "ada@acme.test") -> Client:
    client = Client(headers={"User-Agent": browser})
    client.post("/accounts/login/", {"login": email, "password": PASSWORD})
    assert client.get(PAGE).status_code == 200
    return client


def row_of(client: Client) -> Session:
    return Session.objects.get(session_key=client.cookies["sessionid"].value)


def pass_by(client: Client, **ago: float) -> None:
    """Let time have passed since the session of `client` was opened, and since it was used."""
    row = row_of(client)
    then = timezone.now() - timedelta(**ago)
    Session.objects.filter(session_key=row.session_key).update(
        opened_at=min(row.opened_at, then), used_at=then
    )


# How long they last


def test_a_session_that_nobody_uses_ends(ada, settings):
    settings.SESSION_IDLE_MINUTES = 30
    idle, used = signed_in(), signed_in()

    pass_by(idle, minutes=31)
    pass_by(used, minutes=29)

    assert idle.get(PAGE).status_code == 302
    assert used.get(PAGE).status_code == 200
    assert Session.objects.filter(user=ada).count() == 1


def test_using_it_keeps_it_and_a_page_that_asks_by_itself_does_not(ada):
    client = signed_in()
    pass_by(client, minutes=60)
    before = row_of(client).used_at

    client.get(PAGE, headers={"X-By-Itself": "1"})
    assert row_of(client).used_at == before

    client.get(PAGE)
    assert timezone.now() - row_of(client).used_at < timedelta(minutes=1)


def test_an_act_is_a_use_whatever_it_says_of_itself(ada):
    client = signed_in()
    pass_by(client, minutes=60)

    client.post("/accounts/password/change/", {}, headers={"X-By-Itself": "1"})

    assert timezone.now() - row_of(client).used_at < timedelta(minutes=1)


def test_use_is_noted_once_a_minute_and_never_at_the_cost_of_the_page(
    ada, django_assert_max_num_queries, monkeypatch
):
    client = signed_in()
    with django_assert_max_num_queries(2):  # the session and the person: neither is written
        client.get(PAGE)

    pass_by(client, minutes=5)

    def is_busy(*args, **kwargs):
        raise OperationalError("database is locked")

    monkeypatch.setattr("django.db.models.query.QuerySet.update", is_busy)
    assert client.get(PAGE).status_code == 200


def test_however_much_it_is_used_it_ends_with_the_working_day(ada):
    client = signed_in()
    opened = timezone.now() - timedelta(hours=11, minutes=59)
    Session.objects.filter(user=ada).update(opened_at=opened)

    client.post("/accounts/password/change/", {})
    store = SessionStore(client.cookies["sessionid"].value)
    store["anything"] = "that is kept"
    store.save()

    row = row_of(client)
    assert (row.opened_at, row.expire_date) == (opened, opened + timedelta(hours=12))
    pass_by(client, hours=12, seconds=1)
    Session.objects.filter(user=ada).update(used_at=timezone.now())
    assert client.get(PAGE).status_code == 302


def test_whoever_asks_for_the_session_elsewhere_is_told_the_same(ada):
    key = signed_in().cookies["sessionid"].value
    assert get_user(SimpleNamespace(session=SessionStore(key))) == ada

    Session.objects.update(used_at=timezone.now() - timedelta(days=1))

    assert get_user(SimpleNamespace(session=SessionStore(key))).is_anonymous


def test_signing_in_begins_a_new_one_and_forgets_what_is_over(ada):
    signed_in()
    Session.objects.update(
        opened_at=timezone.now() - timedelta(days=1), expire_date=timezone.now() - timedelta(hours=12)
    )

    client = signed_in()

    assert list(Session.objects.filter(user=ada)) == [row_of(client)]
    assert timezone.now() - row_of(client).opened_at < timedelta(minutes=1)


# What a person sees and ends


def shown(client: Client) -> str:
    answer = client.get("/accounts/sessions/")
    assert answer.status_code == 200
    return answer.content.decode()


def test_people_see_where_they_are_signed_in_and_never_a_key(ada):
    a_person("eve@globex.test", Role.ADMIN, a_workspace("globex"))
    here, there = signed_in(), signed_in(SAFARI)
    signed_in("Opera of somebody else OPR/", "eve@globex.test")

    page = shown(here)

    assert re.findall(r"<strong[^>]*>([^<]+)</strong>", page) == ["Firefox on Windows", "Safari on iPhone"]
    assert page.index("Firefox on Windows") < page.index("This browser") < page.index("Safari on iPhone")
    assert not [one for one in Session.objects.all() if one.session_key in page]
    assert there.cookies["sessionid"].value not in page


def prove(client: Client, path: str = "/accounts/reauthenticate/") -> None:
    client.post(path, {"password": PASSWORD})


def test_people_end_another_session_of_theirs(ada):
    here, there, third = signed_in(), signed_in(SAFARI), signed_in(SAFARI)

    asked = here.post(f"/accounts/sessions/{row_of(there).public_id}/end/")
    prove(here, asked["Location"])

    assert there.get(PAGE).status_code == 302
    assert here.get(PAGE).status_code == third.get(PAGE).status_code == 200


def test_people_end_all_others_at_once(ada):
    here, others = signed_in(), [signed_in(SAFARI), signed_in(SAFARI)]
    prove(here)

    here.post("/accounts/sessions/others/end/")

    assert [one.get(PAGE).status_code for one in [here, *others]] == [200, 302, 302]


@pytest.mark.parametrize("what", ["others", "one"])
def test_only_who_has_just_proved_themselves_ends_sessions(ada, what):
    here, there = signed_in(), signed_in(SAFARI)
    path = "others" if what == "others" else row_of(there).public_id

    answer = here.post(f"/accounts/sessions/{path}/end/")

    assert "reauthenticate" in answer["Location"]
    assert there.get(PAGE).status_code == 200


def test_nobody_ends_a_session_of_somebody_else_nor_the_one_they_use(ada):
    a_person("eve@globex.test", Role.ADMIN, a_workspace("globex"))
    eve, here = signed_in(email="eve@globex.test"), signed_in()
    prove(here)

    for client in (eve, here):
        assert here.post(f"/accounts/sessions/{row_of(client).public_id}/end/").status_code == 404

    assert eve.get(PAGE).status_code == here.get(PAGE).status_code == 200
