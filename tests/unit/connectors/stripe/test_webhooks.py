"""This module says what counts as a signature of Stripe, and what every strange body is read as."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest
import stripe
from hypothesis import given
from hypothesis import strategies as st

from connectors.stripe import webhooks
from connectors.stripe.webhooks import BadSignature, Envelope, Unreadable

NOW = 1_790_000_000
SECRET = b"whsec_current"
OLDER = b"whsec_older"
BODY = b'{"id": "evt_1", "object": "event", "type": "charge.succeeded", "data": {"object": {"id": "ch_1"}}}'


def signature(secret: bytes = SECRET, body: bytes = BODY, stamp: bytes = b"%d" % NOW) -> bytes:
    return hmac.digest(secret, stamp + b"." + body, hashlib.sha256).hex().encode()


def header(*secrets: bytes, at: int = NOW, scheme: bytes = b"v1", body: bytes = BODY) -> bytes:
    stamp = b"%d" % at
    return b",".join([b"t=" + stamp, *(scheme + b"=" + signature(key, body, stamp) for key in secrets)])


def verify(text: bytes, *secrets: bytes, body: bytes = BODY, now: float = NOW) -> int:
    return webhooks.verify(header=text, body=body, secrets=secrets or (SECRET,), now=now)


def an_event(**fields: object) -> bytes:
    event: dict[str, object] = {
        "id": "evt_1",
        "object": "event",
        "type": "charge.succeeded",
        "created": NOW,
        "livemode": False,
        "api_version": "2026-10-28.endive",
        "data": {"object": {"id": "ch_1", "object": "charge"}},
    }
    return json.dumps(event | fields).encode()


# The signature


def test_stripes_own_library_signs_as_we_verify():
    text = stripe.WebhookSignature._compute_signature(f"{NOW}.{BODY.decode()}", SECRET.decode())

    assert verify(b"t=%d,v1=%b" % (NOW, text.encode())) == 0


def test_the_secret_that_signed_is_named():
    assert verify(header(OLDER), SECRET, OLDER) == 1


def test_any_of_several_signatures_will_do():
    assert verify(header(b"whsec_gone", SECRET), SECRET) == 0


@pytest.mark.parametrize("age", [-300, 0, 300])
def test_five_minutes_are_tolerated_on_both_sides(age):
    assert verify(header(SECRET, at=NOW - age)) == 0


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        pytest.param(b"", "no signature", id="none"),
        pytest.param(b"nonsense", "malformed signature", id="nonsense"),
        pytest.param(b"v1=" + signature(), "malformed signature", id="no time"),
        pytest.param(b"t=%d" % NOW, "malformed signature", id="only a time"),
        pytest.param(header(SECRET, scheme=b"v0"), "malformed signature", id="only the test scheme v0"),
        pytest.param(b"t=1," + header(SECRET), "malformed signature", id="two times"),
        pytest.param(
            b"t=+%d,v1=%b" % (NOW, signature(stamp=b"+%d" % NOW)), "malformed signature", id="a sign"
        ),
        pytest.param(b"t=1_0,v1=" + signature(stamp=b"1_0"), "malformed signature", id="an underscore"),
        pytest.param(b"t=" + b"9" * 5000 + b",v1=" + signature(), "malformed signature", id="endless digits"),
        pytest.param(header(SECRET) + b",v1=0" * 5000, "malformed signature", id="an endless header"),
        pytest.param(header(b"whsec_other"), "wrong signature", id="another endpoint's secret"),
        pytest.param(header(SECRET)[:-1], "wrong signature", id="one digit short"),
        pytest.param(
            header(SECRET).replace(b"v1=", b"v1=\xff"), "wrong signature", id="bytes that are no text"
        ),
        pytest.param(b"t=%d,v1=" % NOW, "wrong signature", id="an empty signature"),
        pytest.param(header(SECRET, at=NOW - 301), "timestamp too old", id="too old"),
        pytest.param(header(SECRET, at=NOW + 301), "timestamp in the future", id="in the future"),
        pytest.param(header(SECRET, body=BODY + b" "), "wrong signature", id="another body"),
    ],
)
def test_anything_else_is_refused_with_its_reason(text, reason):
    with pytest.raises(BadSignature) as refusal:
        verify(text)

    assert refusal.value.reason == reason


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(b"", id="none"),
        pytest.param(b"nonsense", id="nonsense"),
        pytest.param(header(SECRET, scheme=b"v0"), id="only v0"),
        pytest.param(header(b"whsec_other"), id="another secret"),
        pytest.param(header(SECRET, at=NOW - 301), id="too old"),
        pytest.param(b"t=1," + header(SECRET), id="two times"),
    ],
)
def test_every_refusal_costs_the_same_work_so_that_its_time_tells_nothing(text, monkeypatch):
    hashed: list[bytes] = []
    real = hmac.digest

    def counting(key: bytes, message: bytes, algorithm: object) -> bytes:
        hashed.append(key)
        assert len(message) >= len(BODY)
        return real(key, message, algorithm)

    monkeypatch.setattr(webhooks.hmac, "digest", counting)

    with pytest.raises(BadSignature):
        verify(text, SECRET, OLDER)

    assert hashed == [SECRET, OLDER]


def test_nothing_is_accepted_where_there_is_no_secret():
    with pytest.raises(BadSignature):
        webhooks.verify(header=header(SECRET), body=BODY, secrets=[], now=NOW)


@given(text=st.binary(max_size=300), body=st.binary(max_size=300))
def test_no_header_is_accepted_by_chance_or_breaks_us(text, body):
    with pytest.raises(BadSignature):
        verify(text, body=body)


@given(body=st.binary(max_size=2000), secret=st.binary(min_size=1, max_size=80))
def test_every_body_that_was_signed_is_accepted(body, secret):
    assert verify(header(secret, body=body), secret, body=body) == 0


# The envelope


def test_an_event_is_read():
    body = an_event(account="acct_9")

    assert webhooks.read(body) == Envelope(
        id="evt_1",
        type="charge.succeeded",
        account="acct_9",
        livemode=False,
        api_version="2026-10-28.endive",
        created=datetime.fromtimestamp(NOW, UTC),
        object_type="charge",
        object_id="ch_1",
    )


def test_a_thin_event_is_read():
    body = json.dumps(
        {
            "id": "evt_test_65",
            "object": "v2.core.event",
            "type": "v2.core.account[requirements].updated",
            "created": "2026-11-24T12:00:00.123Z",
            "livemode": True,
            "related_object": {"id": "acct_1", "type": "v2.core.account", "url": "/v2/core/accounts/acct_1"},
        }
    ).encode()

    assert webhooks.read(body) == Envelope(
        id="evt_test_65",
        type="v2.core.account[requirements].updated",
        livemode=True,
        created=datetime(2026, 11, 24, 12, tzinfo=UTC),
        object_type="v2.core.account",
        object_id="acct_1",
        thin=True,
    )


def nested(depth: int) -> bytes:
    return an_event(extra=0).replace(b'"extra": 0', b'"extra": ' + b"[" * depth + b"]" * depth)


def with_name(escape: bytes) -> bytes:
    return an_event(extra="NAME").replace(b"NAME", escape)


@pytest.mark.parametrize("chosen", ["gold-plan", "Gold plan 2", "größe: l", "plan/gold"])
def test_the_id_of_an_object_may_be_a_merchants_own(chosen):
    body = an_event(type="product.created", data={"object": {"id": chosen, "object": "product"}})

    assert webhooks.read(body).object_id == chosen


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        pytest.param(b"", "not JSON", id="nothing"),
        pytest.param(b"{", "not JSON", id="half an object"),
        pytest.param(BODY + b" x", "not JSON", id="something behind it"),
        pytest.param(b"[]", "not an object", id="a list"),
        pytest.param(b"null", "not an object", id="null"),
        pytest.param(b'"evt_1"', "not an object", id="a text"),
        pytest.param(an_event(extra=float("nan")), "not JSON", id="NaN"),
        pytest.param(an_event(extra=[float("-inf"), "\x00"]), "not JSON", id="infinity beside a NUL"),
        pytest.param(nested(20_000), "nested too deeply", id="20,000 levels"),
        pytest.param(nested(20_000) + rb'"\u0000"', "nested too deeply", id="20,000 levels and a NUL"),
        pytest.param(an_event(extra=0).replace(b"0", b"9" * 5000), "not JSON", id="5,000 digits"),
        pytest.param(
            an_event(extra="\0").replace(b'"extra": ', b'"n": 1e999999999, "m": '), "range", id="1e999999999"
        ),
        pytest.param(with_name(b"1e9").replace(b'"1e9"', b"1e999999999"), "range", id="the same alone"),
        pytest.param(with_name(b"\xff\xfe"), "not UTF-8", id="broken UTF-8"),
        pytest.param(with_name(b"\\u0000\xff"), "not UTF-8", id="broken UTF-8 beside a NUL"),
        pytest.param(with_name(b"\x00"), "not JSON", id="a raw NUL"),
        pytest.param(BODY.decode().encode("utf-16"), "not JSON", id="UTF-16"),
        pytest.param(an_event(object="charge"), "not an event", id="an object that is no event"),
        pytest.param(an_event(object=["event"]), "not an event", id="a strange kind"),
        pytest.param(an_event(data=[]), "no object", id="data is a list"),
        pytest.param(an_event(data={}), "no object", id="no object"),
        pytest.param(an_event(data={"object": "ch_1"}), "no object", id="the object is an id"),
        pytest.param(an_event(id=None), "The id ", id="no id"),
        pytest.param(an_event(id=7), "The id ", id="a number for an id"),
        pytest.param(an_event(id="evt_1' OR 1=1"), "The id ", id="a quoted id"),
        pytest.param(an_event(id="evt_1\n"), "The id ", id="an id with a line break"),
        pytest.param(an_event(id="e" * 256), "The id ", id="an endless id"),
        pytest.param(an_event(id="evt_١"), "The id ", id="an id with a foreign digit"),
        pytest.param(an_event(type="<script>"), "The type ", id="a type with markup"),
        pytest.param(an_event(account="acct/../1"), "The account ", id="an account with a path"),
        pytest.param(an_event(data={"object": {"id": ["ch_1"]}}), "The id ", id="a list for the object's id"),
        pytest.param(an_event(data={"object": {"id": ""}}), "The id ", id="an empty id of the object"),
        pytest.param(an_event(data={"object": {"id": "a\u202eb"}}), "The id ", id="an id written backwards"),
        pytest.param(
            an_event(data={"object": {"id": "x" * 256}}), "The id ", id="an endless id of the object"
        ),
        pytest.param(an_event(livemode="yes"), "livemode", id="a text for the mode"),
        pytest.param(an_event(api_version="v" * 41), "version", id="an endless version"),
        pytest.param(an_event(api_version=2026), "version", id="a number for the version"),
        pytest.param(an_event(created=-1), "time", id="before 1970"),
        pytest.param(an_event(created=10**18), "time", id="after the year 9999"),
        pytest.param(an_event(created=True), "time", id="true for a time"),
        pytest.param(an_event(created=1.5), "time", id="half a second"),
        pytest.param(an_event(created="tomorrow"), "time", id="a word for a time"),
        pytest.param(an_event(created="2026-11-24T12:00:00"), "time zone", id="a time without a zone"),
        pytest.param(
            b'{"object": "v2.core.event", "related_object": []}', "related object", id="thin and strange"
        ),
    ],
)
def test_what_cannot_be_read_says_why(body, reason):
    found = webhooks.read(body)

    assert isinstance(found, Unreadable)
    assert reason in found.reason
    assert len(found.reason) <= 200


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"\xef\xbb\xbf" + BODY, id="a byte order mark"),
        pytest.param(nested(400), id="400 levels"),
        pytest.param(
            an_event(extra="a" * 10_000 + "👩‍👩‍👧 \u202eRTL"), id="emoji and a right-to-left override"
        ),
        pytest.param(b'{"id": "evt_0", ' + BODY[1:], id="a key that stands twice"),
        pytest.param(
            an_event(livemode=None, api_version=None, created=None), id="nothing but what is needed"
        ),
        pytest.param(an_event(pending_webhooks=10**300), id="a large number"),
        pytest.param(an_event(data={"object": {"object": "balance"}}), id="an object without an id"),
    ],
)
def test_what_is_only_unusual_is_read(body):
    found = webhooks.read(body)

    assert isinstance(found, Envelope)
    assert found.id == "evt_1"


# The whole payload


@pytest.mark.parametrize("escape", [rb"\u0000", rb"\ud800", rb"\uDFFF", rb"\ud83d\u0041"])
def test_characters_that_no_database_takes_are_replaced(escape):
    found = webhooks.payload(b'{"name": "a' + escape + b'b", "a' + escape + b'": [0.5]}')

    assert isinstance(found, dict)
    assert "\ufffd" in found["name"]
    json.dumps(found, default=str, ensure_ascii=False).encode()  # neither a surrogate nor a NUL is left
    assert "\x00" not in str(found)


def test_an_escaped_emoji_survives_beside_a_nul():
    found = webhooks.payload(rb'{"name": "\ud83d\ude00\u0000"}')

    assert found == {"name": "😀\ufffd"}


@pytest.mark.parametrize("beside", [b"", rb'"x": "\u0000", '])
def test_fractions_are_exact(beside):
    found = webhooks.payload(b"{" + beside + b'"rate": 0.1, "amount": 9007199254740993}')

    assert isinstance(found, dict)
    assert found["rate"] == Decimal("0.1")
    assert found["amount"] == 2**53 + 1


@given(st.binary(max_size=500))
def test_no_bytes_break_the_reading(body):
    assert isinstance(webhooks.read(body), Envelope | Unreadable)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=15,
)


@given(st.dictionaries(st.sampled_from(["id", "object", "type", "account", "created", "data"]), JSON))
def test_no_json_breaks_the_reading(event):
    assert isinstance(webhooks.read(json.dumps(event).encode()), Envelope | Unreadable)
