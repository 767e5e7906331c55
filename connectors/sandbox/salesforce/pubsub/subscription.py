"""This module is one subscription: what its client still wants, and what is sent to it."""

from __future__ import annotations

import contextlib
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from connectors.sandbox.salesforce.bus.encoding import encode
from connectors.sandbox.salesforce.bus.event_log import NotRetained, bytes_of
from connectors.sandbox.salesforce.pubsub import messages
from connectors.sandbox.salesforce.pubsub.refusals import Unserved, replay_id_refused, unavailable
from connectors.sandbox.salesforce.pubsub.topics import find_to_subscribe

if TYPE_CHECKING:
    from collections.abc import Iterator

    from connectors.sandbox.salesforce.bus.event_log import Notice
    from connectors.sandbox.salesforce.pubsub.sessions import Session
    from connectors.sandbox.salesforce.tables import Table

MOST = 100  # events that may be outstanding
WEIGHT = 2_000_000  # bytes of events in one response; a message of gRPC has at most 4 MB
GLANCE = 1.0  # seconds after which a waiting stream looks whether its session and its client still live
PROMPT = 0.02  # the same while events are held back by a delay


@dataclass(slots=True)
class Cut:
    """The end that a lever gives to a stream; without a refusal it ends as if all were well."""

    refusal: Unserved | None


class Subscription:
    """
    One stream of events to one client.

    A thread reads its requests while another one, gRPC's, sends; the condition of the log guards both.
    https://developer.salesforce.com/docs/platform/pub-sub-api/references/methods/subscribe-rpc.html
    """

    def __init__(self, session: Session, requests: Iterator[Any], context: Any, rpc_id: str) -> None:
        self.topic = ""
        self.pending = 0  # events that the client has asked for and not got
        self.delivered = 0
        self.after = 0  # the position up to which everything was sent
        self.cut: Cut | None = None
        self._session = session
        self._org = session.org
        self._log = session.org.log  # that of the org's present life
        self._requests = requests
        self._context = context
        self._rpc_id = rpc_id
        self._refusal: Unserved | None = None
        self._finished = False  # the client will ask for nothing more
        self._spoke = self._heard = time.monotonic()
        self._hidden: dict[str, frozenset[str] | None] = {}
        self._views: Any = None

    def responses(self) -> Iterator[Any]:
        """
        Return what is sent, for as long as the stream lives.

        :raises Unserved: when it ends otherwise than well
        """
        first = next(self._requests, None)
        if first is None:
            return
        self._begin(first)
        threading.Thread(target=self._listen, name="pubsub-requests", daemon=True).start()
        self._context.add_callback(self._log.wake)
        while True:
            response = self._next()
            if response is None:
                return
            yield response

    def _begin(self, first: Any) -> None:
        topic = find_to_subscribe(self._org, self._session.user, first.topic_name)
        if first.replay_preset == messages.LATEST:
            self.after = self._log.tip
        elif first.replay_preset == messages.EARLIEST:
            self.after = self._log.earliest(topic.name)
        else:
            self.after = self._resumed(first.replay_id)
        self.topic = topic.name  # whoever looks at the streams sees it once nothing can be missed
        self._take(first)

    def _resumed(self, replay_id: bytes) -> int:
        if not replay_id:
            message = "The replay_id can't be blank with the replay preset CUSTOM."
            raise Unserved("subscription.fetch.replayid.validation.failed", message)
        try:
            return self._log.position(replay_id)
        except NotRetained:
            raise replay_id_refused() from None

    def _listen(self) -> None:
        """Take the requests as they come, until the client has no more or is gone."""
        # gRPC ends the iteration over a cancelled call with a bare exception.
        with contextlib.suppress(Exception):
            for request in self._requests:
                with self._log.moved:
                    self._take(request)
                    self._log.moved.notify_all()
        with self._log.moved:
            self._finished = True
            self._log.moved.notify_all()

    def _take(self, request: Any) -> None:
        if request.topic_name not in ("", self.topic):
            message = "The topic name must be the same in all requests of a stream."
            self._refusal = Unserved("subscription.fetch.topic.mismatch", message)
        elif request.num_requested <= 0:
            message = "The number of requested events must be greater than zero."
            self._refusal = Unserved("subscription.fetch.requested.events.invalid", message)
        else:
            self.pending = min(MOST, self.pending + request.num_requested)
            self._heard = time.monotonic()

    def _next(self) -> Any:
        """Return what is sent next, once there is something to send, or None at the end."""
        while True:
            notices = self._wait()
            if notices is None:
                return None
            events = self._consumed(notices)
            if events or not notices:
                return self._response(events)

    def _wait(self) -> list[Notice[Any]] | None:
        """Wait for events and return them; none of them if only a sign of life is due, None at the end."""
        with self._log.moved:
            while not self._is_over():
                notices = self._due()
                if notices is not None:
                    return notices
                self._log.moved.wait(PROMPT if self._org.streaming.delay else self._patience())
        return None

    def _patience(self) -> float:
        streaming, now = self._org.streaming, time.monotonic()
        limit = self._spoke + streaming.keepalive if self.pending else self._heard + streaming.idle
        return min(GLANCE, max(0.001, limit - now))

    def _is_over(self) -> bool:
        """
        Say whether the stream has come to its end.

        :raises Unserved: if that is not a good one
        """
        if self.cut is not None:
            if self.cut.refusal is not None:
                raise self.cut.refusal
            return True
        if self._refusal is not None:
            raise self._refusal
        if self._log.closed:
            raise unavailable()
        if not self._context.is_active():
            return True
        self._session.check()
        idle = time.monotonic() - self._heard >= self._org.streaming.idle
        return not self.pending and (self._finished or idle)

    def _due(self) -> list[Notice[Any]] | None:
        if not self.pending:
            return None
        try:
            notices = self._log.read(self.topic, self.after, self.pending)
        except NotRetained:
            raise replay_id_refused() from None
        if notices or time.monotonic() - self._spoke < self._org.streaming.keepalive:
            return notices or None
        self.after = self._log.tick(self.topic, self.after)
        return []

    def _consumed(self, notices: list[Notice[Any]]) -> list[Any]:
        """Return the events that the user may see, as many of them as one response holds."""
        events: list[Any] = []
        weight = 0
        for notice in notices:
            if weight > WEIGHT:
                break
            self.after = notice.replay
            hidden = self._hidden_of(notice.fact.object.name)
            if hidden is None:
                continue
            schema_id, payload = encode(notice.fact, self._org.schemas, hidden)
            weight += len(payload)
            event = messages.ProducerEvent(id=notice.uuid, schema_id=schema_id, payload=payload)
            events.append(messages.ConsumerEvent(event=event, replay_id=bytes_of(notice.replay)))
        return events

    def _response(self, events: list[Any]) -> Any:
        with self._log.moved:
            self.pending -= len(events)
            self.delivered += len(events)
            self._spoke = time.monotonic()
            if not self.pending:
                self._heard = self._spoke
            return messages.FetchResponse(
                events=events,
                latest_replay_id=bytes_of(self.after),
                rpc_id=self._rpc_id,
                pending_num_requested=self.pending,
            )

    def _hidden_of(self, name: str) -> frozenset[str] | None:
        """Return the fields of an object that the user may not see, or None if it is the whole object."""
        views = self._org.security.seen_by(self._session.user, self._org.tables)
        if views is not self._views:
            self._views, self._hidden = views, {}
        if name not in self._hidden:
            seen = views.get(name)
            self._hidden[name] = None if seen is None else _hidden_in(seen)
        return self._hidden[name]


def _hidden_in(table: Table) -> frozenset[str]:
    visible = {field.name for field in table.shape.object.fields}
    return frozenset(field.name for field in table.whole.object.fields if field.name not in visible)
