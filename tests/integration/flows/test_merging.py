"""What is kept of merges goes when it is old, and one that went wrong is told until somebody has looked."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from flows import retention
from flows.merging import working
from flows.models import Merge, Pair
from integrator import vault
from monitoring import gathering
from monitoring.judging import judge
from monitoring.memory import Memory
from tests.browser import merged
from tests.builders import a_pair

pytestmark = pytest.mark.django_db


def a_merge(state: str = "checked") -> Merge:
    made = merged.looked_at(Pair.objects.first() or a_pair())
    if state != "checked":
        merged.end(made, state)
    return Merge.objects.get(public_id=made)


def test_what_is_kept_of_the_records_is_sealed_for_its_merge_alone() -> None:
    one, other = a_merge(), a_merge()

    assert one.records()[merged.LOST]["Phone"] == "+49 30 1234567"
    assert b"1234567" not in bytes(one.before) + bytes(one.sent)
    one.before = other.before
    with pytest.raises(vault.Unreadable):
        one.records()


def test_old_merges_are_deleted_and_those_that_can_be_taken_back_or_are_under_way_are_not(settings) -> None:
    settings.KEEP_EVENTS_DAYS = 1
    now = timezone.now()
    looked, done, recent, going = a_merge(), a_merge("done"), a_merge("done"), a_merge()
    long_ago = now - timedelta(days=16)
    Merge.objects.filter(pk__in=[looked.pk, done.pk, going.pk]).update(created_at=long_ago)
    Merge.objects.filter(pk=done.pk).update(ended_at=long_ago)
    Merge.objects.filter(pk=recent.pk).update(ended_at=now - timedelta(days=14))
    Merge.objects.filter(pk=going.pk).update(state="in_doubt")

    retention.purge_all(now=now, pause=0)

    assert set(Merge.objects.values_list("pk", flat=True)) == {recent.pk, going.pk}


def test_a_merge_that_went_wrong_is_an_alert_until_somebody_has_looked() -> None:
    now, failed = timezone.now(), a_merge("failed")
    a_merge("done")

    def told() -> list[str]:
        found = judge(gathering.gather(now=now, memory=Memory()), now=now)
        return [one.title for one in found if one.kind == "merges"]

    assert told() == ["1 merge of records did not end as it should"]
    working.look_at(merge=failed, actor="otto", now=now)
    assert told() == []
