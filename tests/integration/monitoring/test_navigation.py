"""The navigation says where one is, also on pages that stand below another."""

from __future__ import annotations

import re

import pytest
from django.core.cache import cache
from django.test import Client

from tests.builders import a_pair, a_person

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("path", "place"),
    [
        pytest.param("dev/connections/{stripe}/missed/", "Connections", id="missed events"),
        pytest.param("dev/connections/{stripe}/webhooks/new/", "Connections", id="a new webhook"),
        pytest.param("dev/connections/{stripe}/rotate/", "Connections", id="new secrets"),
        pytest.param("dev/dead-letters/causes/abc/", "Dead letters", id="one cause"),
        pytest.param("dev/conservation/", "Overview", id="hour by hour"),
        pytest.param("settings/people/new/", "People", id="a new person"),
        pytest.param("settings/tokens/new/", "API tokens", id="a new token"),
    ],
)
def test_a_page_below_another_is_marked_by_it(client: Client, path: str, place: str) -> None:
    cache.clear()
    pair = a_pair()
    client.force_login(a_person("axel@acme.test", "admin"))

    page = client.get("/w/acme/" + path.format(stripe=pair.stripe.public_id)).content.decode()

    marked = re.findall(r'class="side-link"[^>]*aria-current="page".*?</a>', page, re.DOTALL)
    assert [f"<span>{place}</span>" in link for link in marked] == [True]
