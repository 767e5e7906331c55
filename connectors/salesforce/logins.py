"""This module is the table of what the token endpoint says, what it means, and what an admin can do."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from integrator.kernel import errors


@dataclass(frozen=True, slots=True)
class LoginProblem:
    """One way in which a login fails."""

    code: str
    error: str  # OAuth's error; empty: not an answer of the endpoint
    words: tuple[str, ...]  # any of these in the description, in lower case; empty: whatever it says
    title: str
    explanation: str
    remedy: str
    failure: type[errors.IntegrationError] = errors.Unauthorized
    rest: timedelta = timedelta(minutes=5)  # no login is tried again before


# The first that fits counts. Texts of the endpoint:
# https://help.salesforce.com/s/articleView?id=xcloud.remoteaccess_oauth_flow_errors.htm
ANSWERS: tuple[LoginProblem, ...] = (
    LoginProblem(
        "login_rate", "invalid_grant", ("login rate exceeded",),
        "The login limit is reached",
        "Salesforce allows 3,600 logins an hour for a user, and they are used up, most likely by another "
        "program.",
        "Give this product an integration user of its own. It logs in about once in two hours.",
        failure=errors.RateLimited, rest=timedelta(minutes=15),
    ),
    LoginProblem(
        "not_approved", "invalid_grant", ("hasn't approved", "not approved", "user hasn"),
        "The user is not approved for the app",
        "The External Client App lets in approved users only, and this user is not one of them, or the user "
        "name is not of this org.",
        "In the app's policies choose 'Admin approved users are pre-authorized' and assign the user's "
        "profile or a permission set. A permission set bound to the 'Salesforce API Integration' licence "
        "cannot hold that assignment: use a second one.",
    ),
    LoginProblem(
        "audience", "invalid_grant", ("audience",),
        "The audience is not accepted",
        "The login was made out for another address than the one that Salesforce expects.",
        "Enter the My Domain login address as the base address and leave the audience empty. Only old "
        "connected apps need https://login.salesforce.com or https://test.salesforce.com there.",
    ),
    LoginProblem(
        "expired_assertion", "invalid_grant", ("expired",),
        "The login came too late or too early",
        "Salesforce found the time in the signed login wrong: a clock differs, or the app's certificate "
        "has expired.",
        "Switch on time synchronisation (NTP) on this machine. If the clock is right, upload a new "
        "certificate.",
    ),
    LoginProblem(
        "bad_assertion", "invalid_grant", ("invalid assertion", "invalid signature"),
        "The private key does not fit the certificate",
        "Salesforce could not verify the signature with the certificate that was uploaded to the app.",
        "Upload the certificate that belongs to this private key, or enter the key of that certificate.",
    ),
    LoginProblem(
        "app_access", "invalid_grant", ("invalid app access", "ip restricted", "invalid ip"),
        "The app may not be used from here",
        "A policy of the org, such as an IP range, keeps this login out.",
        "Look at the login history of the user and at the app's policies.",
    ),
    LoginProblem(
        "inactive_user", "invalid_grant", ("inactive",),
        "The user is inactive",
        "The integration user was deactivated or frozen.",
        "Activate the user in Salesforce, or enter another user name.",
    ),
    LoginProblem(
        "locked_user", "invalid_grant", ("locked",),
        "The user is locked",
        "The integration user is locked out.",
        "Unlock the user in Salesforce, under Setup, Users.",
    ),
    LoginProblem(
        "other_grant", "invalid_grant", (),
        "Salesforce refused the login",
        "The login was understood and refused.",
        "Look at the login history of the user in Salesforce (Setup, Users, Login History).",
    ),
    LoginProblem(
        "app_not_found", "app_not_found", (),
        "The External Client App is not installed in this org",
        "Salesforce looked for the app and did not find it. Since Spring '26 it is found at the My Domain "
        "address only, never at login or test.salesforce.com. After a sandbox refresh it has to be installed "
        "again.",
        "Enter the My Domain login address (https://acme--qa.sandbox.my.salesforce.com for a sandbox), "
        "and install the app in this org.",
    ),
    LoginProblem(
        "unknown_app", "invalid_client_id", (),
        "The consumer key is not known",
        "No app of this org has this consumer key. A new app takes up to ten minutes to be known.",
        "Copy the consumer key from the External Client App's settings.",
    ),
    LoginProblem(
        "unknown_app", "invalid_client", (),
        "The consumer key is not known",
        "No app of this org accepts this consumer key.",
        "Copy the consumer key from the External Client App's settings.",
    ),
    LoginProblem(
        "grant_type", "unsupported_grant_type", (),
        "The app does not allow this kind of login",
        "The JWT bearer flow is switched off.",
        "Switch on 'Enable JWT Bearer Flow' in the External Client App.",
    ),
)  # fmt: skip

OTHER = LoginProblem(
    "other", "", (),
    "Salesforce refused the login",
    "The login was refused.",
    "Check the consumer key, the user name and the My Domain address.",
)  # fmt: skip

# What goes wrong before or instead of an answer.
KEY_UNREADABLE = LoginProblem(
    "key_unreadable", "", (),
    "The private key cannot be read",
    "It is not a PEM block of an unencrypted private key.",
    "Paste the whole file, from -----BEGIN PRIVATE KEY----- to -----END PRIVATE KEY-----.",
)  # fmt: skip
KEY_KIND = LoginProblem(
    "key_kind", "", (),
    "The private key is of the wrong kind",
    "Salesforce accepts RSA keys of 2048 bits or more, and neither elliptic curves nor shorter keys.",
    "Make a new key: openssl req -x509 -newkey rsa:4096 -nodes -keyout key.pem -out certificate.pem",
)  # fmt: skip
INCOMPLETE = LoginProblem(
    "incomplete", "", (),
    "A credential is missing",
    "A login needs a consumer key, a user name and a private key.",
    "Enter what is missing.",
)  # fmt: skip
REDIRECTED = LoginProblem(
    "redirected", "", (),
    "The address leads elsewhere",
    "The login address answered with a redirect, and a login is never sent on to wherever a reply points.",
    "Enter the org's current My Domain login address.",
)  # fmt: skip
WRONG_PLACE = LoginProblem(
    "wrong_place", "", (),
    "The login leads to a forbidden address",
    "Salesforce named an address for its API that is not one of its own domains. No session is sent there.",
    "Check that the base address is the org's My Domain login address.",
    failure=errors.Misdirected,
)  # fmt: skip
NOT_THERE = LoginProblem(
    "not_there", "", (),
    "Nobody can be logged in there",
    "The address answers, but not as Salesforce's login does.",
    "Enter the My Domain login address, and look at https://status.salesforce.com.",
    failure=errors.Transient, rest=timedelta(seconds=5),
)  # fmt: skip
UNREACHABLE = LoginProblem(
    "unreachable", "", (),
    "Salesforce could not be reached",
    "The login got no answer.",
    "Look at https://status.salesforce.com and at the network.",
    failure=errors.Transient, rest=timedelta(seconds=5),
)  # fmt: skip
NO_SESSION = LoginProblem(
    "no_session", "", (),
    "Salesforce logs the user in and then refuses the session",
    "A new session was refused at once. The user may not be allowed to use the API.",
    "Give the user the permission 'API Enabled', and allow API access in the session settings of the org.",
)  # fmt: skip

_ALL = (
    *ANSWERS, OTHER, KEY_UNREADABLE, KEY_KIND, INCOMPLETE, REDIRECTED, WRONG_PLACE, NOT_THERE, UNREACHABLE,
    NO_SESSION,
)  # fmt: skip
BY_CODE: dict[str, LoginProblem] = {problem.code: problem for problem in reversed(_ALL)}


def problem_for(error: str, description: str) -> LoginProblem:
    """Return what an answer of the token endpoint means."""
    said = description.lower()
    for problem in ANSWERS:
        if problem.error == error and (not problem.words or any(word in said for word in problem.words)):
            return problem
    return OTHER
