"""This module answers the calls of the Pub/Sub API."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import grpc

from connectors.sandbox.salesforce.answers import Refused
from connectors.sandbox.salesforce.bus.encoding import decode
from connectors.sandbox.salesforce.bus.event_log import bytes_of
from connectors.sandbox.salesforce.bus.events import Published
from connectors.sandbox.salesforce.pubsub import messages
from connectors.sandbox.salesforce.pubsub.refusals import Unserved
from connectors.sandbox.salesforce.pubsub.sessions import session_of
from connectors.sandbox.salesforce.pubsub.subscription import Cut, Subscription
from connectors.sandbox.salesforce.pubsub.topics import find

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from connectors.sandbox.salesforce.org import Org
    from connectors.sandbox.salesforce.pubsub.sessions import Session

    Answerer = Callable[[Session, Any, str], Any]


class Service:
    """The calls that the org answers, and the streams that are open now."""

    def __init__(self, org: Org) -> None:
        self.org = org
        self.streams: list[Subscription] = []

    def handlers(self) -> grpc.GenericRpcHandler:
        """Return the handlers; a call of another name is answered with UNIMPLEMENTED."""
        return grpc.method_handlers_generic_handler(
            messages.SERVICE,
            {
                "GetTopic": grpc.unary_unary_rpc_method_handler(
                    self._answering(self._topic),
                    messages.TopicRequest.FromString,
                    messages.TopicInfo.SerializeToString,
                ),
                "GetSchema": grpc.unary_unary_rpc_method_handler(
                    self._answering(self._schema),
                    messages.SchemaRequest.FromString,
                    messages.SchemaInfo.SerializeToString,
                ),
                "Publish": grpc.unary_unary_rpc_method_handler(
                    self._answering(self._publish),
                    messages.PublishRequest.FromString,
                    messages.PublishResponse.SerializeToString,
                ),
                "PublishStream": grpc.stream_stream_rpc_method_handler(
                    self._publish_on,
                    messages.PublishRequest.FromString,
                    messages.PublishResponse.SerializeToString,
                ),
                "Subscribe": grpc.stream_stream_rpc_method_handler(
                    self._subscribe,
                    messages.FetchRequest.FromString,
                    messages.FetchResponse.SerializeToString,
                ),
            },
        )

    def cut(self, topic: str, cut: Cut) -> int:
        """End the streams of a topic, or every one for an empty name; return how many there were."""
        chosen = [stream for stream in list(self.streams) if topic in ("", stream.topic)]
        for stream in chosen:
            stream.cut = cut
        self.org.log.wake()
        return len(chosen)

    def _answering(self, answerer: Answerer) -> Callable[[Any, Any], Any]:
        """Return the handler of calls with one answer."""

        def handle(request: Any, context: Any) -> Any:
            rpc_id = str(uuid.uuid4())
            try:
                return answerer(session_of(self.org, context), request, rpc_id)
            except Unserved as refusal:
                refusal.end(context, rpc_id)

        return handle

    def _topic(self, session: Session, request: Any, rpc_id: str) -> Any:
        topic = find(self.org, session.user, request.topic_name)
        return messages.TopicInfo(
            topic_name=topic.name,
            tenant_guid=f"core/prod/{self.org.id}",
            can_publish=topic.can_publish,
            can_subscribe=topic.can_subscribe,
            schema_id="" if topic.object is None else self.org.schemas.of(topic.object).id,
            rpc_id=rpc_id,
        )

    def _schema(self, session: Session, request: Any, rpc_id: str) -> Any:
        if not request.schema_id:
            message = "Schema validation failed. The schema ID can't be blank."
            raise Unserved("schema.validation.failed", message)
        schema = self.org.schemas.known.get(request.schema_id)
        if schema is None:
            message = f"The schema {request.schema_id[:100]} doesn't exist, or you can't access it."
            raise Unserved("schema.meta.permission", message)
        return messages.SchemaInfo(schema_json=schema.json, schema_id=schema.id, rpc_id=rpc_id)

    def _publish(self, session: Session, request: Any, rpc_id: str) -> Any:
        topic = find(self.org, session.user, request.topic_name)
        if not topic.can_publish or topic.object is None:
            message = f"You don't have permission to publish to the topic {topic.name}."
            raise Unserved("topic.meta.permission", message)
        if not request.events:
            message = "The publish request must contain at least one event."
            raise Unserved("publish.event.count.invalid", message)
        return messages.PublishResponse(
            results=[self._publish_one(session, topic.object.name, event) for event in request.events],
            schema_id=self.org.schemas.of(topic.object).id,
            rpc_id=rpc_id,
        )

    def _publish_one(self, session: Session, name: str, event: Any) -> Any:
        """Publish one event; what is wrong with it is told of it alone."""
        seen = self.org.security.seen_by(session.user, self.org.tables)[name]
        schema = self.org.schemas.known.get(event.schema_id)
        try:
            if schema is None or schema.parsed["name"].rpartition(".")[2] != name:
                raise ValueError(f"The schema {event.schema_id[:100]} is not one of {name}.")
            sent = decode(event.payload, schema, seen.shape.object)
            given = {field: value for field, value in sent.items() if value is not None}
            values = seen.shape.clean(given, self.org.target_of, creating=True)
        except (ValueError, Refused) as reason:
            error = messages.PublishError(code=messages.PUBLISH_FAILED, msg=str(reason))
            return messages.PublishResult(error=error, correlation_key=event.id)
        named = event.id or str(uuid.uuid4())
        flight = self.org.history.take_off()
        position = self.org.bus.publish(
            Published(seen.whole.object, named, values, session.user.id, flight.id, at=self.org.time())
        )
        return messages.PublishResult(replay_id=bytes_of(position), correlation_key=named)

    def _publish_on(self, requests: Iterator[Any], context: Any) -> Iterator[Any]:
        rpc_id, topic = str(uuid.uuid4()), ""
        try:
            session = session_of(self.org, context)
            for request in requests:
                if topic and request.topic_name not in ("", topic):
                    message = "The topic name must be the same in all requests of a stream."
                    raise Unserved("publish.topic.mismatch", message)
                topic = request.topic_name = request.topic_name or topic
                session.check()
                yield self._publish(session, request, rpc_id)
        except Unserved as refusal:
            refusal.end(context, rpc_id)

    def _subscribe(self, requests: Iterator[Any], context: Any) -> Iterator[Any]:
        rpc_id = str(uuid.uuid4())
        try:
            session = session_of(self.org, context)
            if len(self.streams) >= self.org.streaming.clients:
                message = "The maximum number of concurrent clients across all topics is exceeded."
                raise Unserved("concurrent.client.limit.exceeded", message)
            stream = Subscription(session, requests, context, rpc_id)
            self.streams.append(stream)
            try:
                yield from stream.responses()
            finally:
                self.streams.remove(stream)
        except Unserved as refusal:
            refusal.end(context, rpc_id)
