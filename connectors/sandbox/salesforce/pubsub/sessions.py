"""This module reads who calls the Pub/Sub API from the metadata of the call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from connectors.sandbox.salesforce.ids import full_id
from connectors.sandbox.salesforce.pubsub.refusals import Unserved

if TYPE_CHECKING:
    from connectors.sandbox.salesforce.oauth import User
    from connectors.sandbox.salesforce.org import Org

REQUIRED = ("accesstoken", "instanceurl", "tenantid")


@dataclass(frozen=True, slots=True)
class Session:
    """Who calls, and the token that says so."""

    org: Org
    user: User
    token: str

    def check(self) -> None:
        """
        Let the call go on while its session lives.

        :raises Unserved: if it has expired
        """
        if self.org.door.who_holds(self.token, now=self.org.time()) is None:
            raise _not_authenticated()


def session_of(org: Org, context: Any) -> Session:
    """
    Return the session that a call belongs to.

    https://developer.salesforce.com/docs/platform/pub-sub-api/guide/supported-auth.html

    :raises Unserved: if a header is missing, the token opens nothing, or it is for another org
    """
    given = {name: value for name, value in context.invocation_metadata() if name in REQUIRED}
    for name in REQUIRED:
        if not given.get(name):
            message = f"The {name} header is invalid or blank."
            raise Unserved("service.auth.headers.invalid", message)
    user = org.door.who_holds(given["accesstoken"], now=org.time())
    addresses = {address for address in (org.base_url, org.instance_url) if address}
    elsewhere = addresses and given["instanceurl"].rstrip("/") not in addresses
    if user is None or full_id(given["tenantid"]) != org.id or elsewhere:
        raise _not_authenticated()
    return Session(org, user, given["accesstoken"])


def _not_authenticated() -> Unserved:
    message = "An authentication exception occurred. Provide valid authentication via metadata headers."
    return Unserved("service.auth.error", message)
