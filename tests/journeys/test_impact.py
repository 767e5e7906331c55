"""An administrator of the org changes an object, and a designer mends the flow before anything fails."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.test import Client
from django.utils import timezone

from flows import checking, publishing
from flows.impact import applying, keeping
from flows.impact.applying import Standing
from flows.impact.looking import Looker
from flows.models import Deployment, Impact
from monitoring import alerts
from monitoring.models import Alert
from tests.builders import a_person
from tests.journeys.bridge import Bridge

HOUR = timedelta(hours=1)


def pay_and_save(bridge: Bridge, times: int = 1) -> list[str]:
    """Let somebody pay, and return the keys of the payments in the org."""
    for _ in range(times):
        bridge.deliver(*bridge.events(bridge.pay(), "charge.succeeded"))
    bridge.drain()
    return list(bridge.payments())


def change(bridge: Bridge, field: str, **how: Any) -> None:
    bridge.salesforce.turn("fields", object="Payment__c", field=field, **how)


def open_alerts(now: Any) -> list[str]:
    alerts.evaluate(now=now)
    alerts.evaluate(now=now + timedelta(minutes=5))
    return list(Alert.objects.open().filter(kind="impact").values_list("title", flat=True))


def test_a_changed_object_is_told_line_by_line_and_mended_in_the_draft(
    bridge: Bridge, client: Client
) -> None:
    later, looker = timezone.now(), Looker()
    now = later - HOUR * 2
    live = Deployment.objects.get(pair=bridge.pair, ended_at__isnull=True)
    before = pay_and_save(bridge, times=3)
    looker.look_due(now=now)
    keeping.renew_due(now=now)
    assert Impact.objects.get(deployment=live).severity == ""
    change(bridge, "Card_Brand__c", length=2)
    change(bridge, "Card_Last4__c", name="Last_Digits_of_Card__c", label="Card last 4")

    looker.look_due(now=now + HOUR / 2)  # not yet due: nobody asks
    assert Impact.objects.get(deployment=live).severity == ""
    looker.look_due(now=later)
    keeping.renew_due(now=later)

    impact = Impact.objects.get(deployment=live)
    found = {one.field: one for one in keeping.findings_of(impact) if one.severity != "know"}
    assert (impact.severity, impact.events, impact.failing) == ("fails", 3, 3)
    assert set(found) == {"Card_Brand__c", "Card_Last4__c"}
    assert {one.step for one in found.values()} == {"map_payment"}
    assert found["Card_Brand__c"].changed == ["Card_Brand__c takes 2 characters; it took 40."]
    assert found["Card_Brand__c"].failing == 3
    assert [one.name for one in found["Card_Brand__c"].mends] == ["cut"]
    assert [one.name for one in found["Card_Last4__c"].mends] == ["replace", "remove"]
    assert open_alerts(later) == [f"An object changed under {live.flow.name}"]

    done = applying.mend(deployment=live, actor="ada", now=later)

    assert (done.count, done.step) == (2, "map_payment")
    assert applying.standing(live, now=later) == Standing(frozenset())
    version = checking.publish(
        draft=done.draft, pairs=[bridge.pair], revision=done.draft.revision, note="Mended", actor="ada",
        now=later,
    )  # fmt: skip
    publishing.deploy(version=version, pair=bridge.pair, actor="ada", now=later)
    keeping.renew_due(now=later)
    assert open_alerts(later + HOUR) == []
    (key,) = set(pay_and_save(bridge)) - set(before)
    payment = bridge.payments()[key]
    assert (payment["Card_Brand__c"], payment["Last_Digits_of_Card__c"]) == ("vi", "4242")

    again = Deployment.objects.get(pair=bridge.pair, ended_at__isnull=True)
    change(bridge, "Status__c", choices=["Pending", "Paid", "Failed", "Canceled"])
    client.force_login(a_person("root@acme.test", "admin"))
    page = client.post(f"/w/acme/dev/impact/{again.pk}/look/", follow=True).content.decode()

    assert "Something has changed under Payments into Salesforce." in page
    assert "Status__c no longer has “Completed”" in page
    assert "Write “Paid” instead of “Completed”" in page
