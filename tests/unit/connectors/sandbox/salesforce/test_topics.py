"""This module tests who may know of a topic of the sandbox."""

from __future__ import annotations

import pytest

from connectors.sandbox.salesforce.org import Org
from connectors.sandbox.salesforce.pubsub.refusals import Unserved
from connectors.sandbox.salesforce.pubsub.topics import find

TOPIC = "/data/Payment__ChangeEvent"


def test_an_object_that_somebody_may_not_see_has_no_topic_for_them():
    org = Org()
    org.security.guard("Payment__c", (), whole=True)
    person, admin = org.door.user("person@acme.example"), org.door.user("admin@acme.example")
    admin.admin = True

    assert find(org, admin, TOPIC).can_subscribe
    with pytest.raises(Unserved) as refused:
        find(org, person, TOPIC)
    assert refused.value.code == "topic.meta.permission"


@pytest.mark.parametrize("name", ["/data/RecordTypeChangeEvent", "/event/Account", "/data/Payment__e", "/"])
def test_what_is_not_captured_has_no_topic(name):
    org = Org()

    with pytest.raises(Unserved) as refused:
        find(org, org.door.automation, name)
    assert refused.value.code == "topic.not.found"
