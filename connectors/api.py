"""This module is the REST interface of connections and of the webhook endpoints that feed them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

from django.conf import settings
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import mixins, serializers, status
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter

from connectors import connections, readiness, schema_api
from connectors.checks import State
from connectors.models import Connection, Credential, WebhookEndpoint, WebhookSecret
from integrator.accounts.rest import PUBLIC_ID, WITHIN, RowFilter, ScopedViewSet, refusals
from integrator.kernel.errors import IntegrationError
from integrator.kernel.redact import redact_text
from integrator.web import OtherSide


class CredentialSerializer(serializers.ModelSerializer[Credential]):
    """What may be known of a secret: which it is, how it ends, and when it changed."""

    class Meta:
        model = Credential
        fields = ("field", "last4", "fingerprint", "changed_at")
        read_only_fields = fields


class WebhookSecretSerializer(serializers.ModelSerializer[WebhookSecret]):
    """What may be known of a signing secret."""

    class Meta:
        model = WebhookSecret
        fields = ("last4", "created_at", "expires_at", "last_used_at")
        read_only_fields = fields


class WebhookEndpointSerializer(serializers.ModelSerializer[WebhookEndpoint]):
    """Where a system sends its events, and the secrets that are in use."""

    id = serializers.CharField(source="public_id", read_only=True)
    url = serializers.SerializerMethodField(help_text="The address to enter at the other system.")
    secrets = WebhookSecretSerializer(many=True, read_only=True)

    class Meta:
        model = WebhookEndpoint
        fields = ("id", "url", "stripe_id", "enabled", "created_at", "secrets")
        read_only_fields = fields

    def get_url(self, endpoint: WebhookEndpoint) -> str:
        """Return the whole address."""
        return f"{settings.PUBLIC_URL}{endpoint}"


class NewWebhookEndpointSerializer(serializers.Serializer[Any]):
    """A signing secret; without one the endpoint is created at the other system."""

    secret = serializers.CharField(
        write_only=True,
        required=False,
        max_length=255,
        trim_whitespace=True,
        help_text="whsec_... of an endpoint that you made yourself. Left out: it is made at Stripe.",
    )


class ConnectionSerializer(serializers.ModelSerializer[Connection]):
    """One authenticated account of one system in one environment. Secrets are never shown."""

    id = serializers.CharField(source="public_id", read_only=True)
    environment = serializers.SlugRelatedField[Any](slug_field="slug", read_only=True)
    settings = serializers.DictField(read_only=True)
    credentials = CredentialSerializer(many=True, read_only=True)

    class Meta:
        model = Connection
        fields: tuple[str, ...] = (
            "id", "environment", "system", "name", "base_url", "settings", "api_version", "pinned_account",
            "pinned_livemode", "state", "state_reason", "paused_until", "last_success_at", "last_failure_at",
            "last_failure", "api_used", "api_limit", "created_at", "credentials",
        )  # fmt: skip
        read_only_fields: tuple[str, ...] = fields


class SecretsField(serializers.DictField):
    """Secrets by name: secret_key for Stripe; consumer_key and private_key for Salesforce."""

    def __init__(self, **options: Any) -> None:
        super().__init__(
            child=serializers.CharField(max_length=10_000, trim_whitespace=True),
            write_only=True,
            allow_empty=False,
            help_text="secret_key for Stripe; consumer_key and private_key (PEM) for Salesforce.",
            **options,
        )


class NewSettingsSerializer(serializers.Serializer[Any]):
    """What is not secret about a connection."""

    username = serializers.CharField(max_length=255, required=False, help_text="Salesforce: whom we act as.")
    audience = serializers.CharField(max_length=255, required=False, help_text="Salesforce: if not usual.")
    account_id = serializers.CharField(max_length=64, required=False, help_text="Stripe: acct_...")
    livemode = serializers.BooleanField(required=False, help_text="Stripe: whether the key is a live one.")
    walk_only = serializers.BooleanField(
        required=False,
        help_text="Stripe: nothing is delivered, so its list of events is read every 30 seconds.",
    )
    requests_per_second = serializers.FloatField(required=False, min_value=0.1, max_value=1000)
    api_share = serializers.FloatField(
        required=False,
        min_value=1,
        max_value=100,
        help_text="Salesforce: percent of the org's API calls for 24 hours that may be used; usually 90.",
    )

    event_bus = serializers.CharField(
        max_length=255,
        required=False,
        help_text="Salesforce: where its event bus answers, if not at api.pubsub.salesforce.com:7443.",
    )
    event_bus_certificate = serializers.CharField(
        max_length=10_000, required=False, help_text="Salesforce: PEM, for a simulated event bus only."
    )

    def to_internal_value(self, data: Any) -> Any:
        """
        Return the settings.

        :raises ValidationError: if one is not known; a misspelt setting must not be lost silently
        """
        unknown = set(data) - set(self.fields) if isinstance(data, dict) else set()
        if unknown:
            raise ValidationError(dict.fromkeys(sorted(unknown), "There is no such setting."))
        return super().to_internal_value(data)


class NewConnectionSerializer(serializers.Serializer[Any]):
    """What a new connection is called, where it leads and with which secrets."""

    environment = serializers.SlugField(help_text="Slug of the environment.")
    system = serializers.ChoiceField(choices=Connection.System.choices)
    name = serializers.CharField(max_length=100)
    base_url = serializers.CharField(
        max_length=255, help_text="https://api.stripe.com, or the org's My Domain login address."
    )
    settings = NewSettingsSerializer(required=False)
    api_version = serializers.CharField(max_length=40, required=False)
    secrets = SecretsField()


class RotationSerializer(serializers.Serializer[Any]):
    """The new secrets."""

    secrets = SecretsField()


class PauseSerializer(serializers.Serializer[Any]):
    """Why nothing may be sent or read for now."""

    reason = serializers.CharField(max_length=500)


class DiagnosisSerializer(serializers.Serializer[Any]):
    """What a test found, and what to do about it."""

    ok = serializers.BooleanField()
    title = serializers.CharField()
    explanation = serializers.CharField()
    remedy = serializers.CharField()
    details = serializers.DictField()


class CheckSerializer(serializers.Serializer[Any]):
    """One thing that was looked at."""

    group = serializers.CharField(help_text="The heading that it stands under.")
    title = serializers.CharField()
    state = serializers.ChoiceField(
        choices=[state.value for state in State], help_text="Only a problem keeps flows from working."
    )
    explanation = serializers.CharField()
    remedy = serializers.CharField(help_text="What to do; empty where nothing is to be done.")


class ReadinessSerializer(serializers.Serializer[Any]):
    """Everything that the product needs at the other side, one by one."""

    ready = serializers.BooleanField(help_text="Whether no check found a problem.")
    at = serializers.DateTimeField(help_text="When it was looked.")
    checks = CheckSerializer(many=True)


class RotatedSerializer(ConnectionSerializer):
    """The connection with its new secrets, and what a test with them has found."""

    diagnosis = DiagnosisSerializer()

    class Meta(ConnectionSerializer.Meta):
        fields = (*ConnectionSerializer.Meta.fields, "diagnosis")
        read_only_fields = fields


class ConnectionFilter(RowFilter):
    """Connections by system and state."""

    class Meta:
        model = Connection
        fields = ("system", "state")


@contextmanager
def asking_the_other_side() -> Iterator[None]:
    """
    Turn what the other system did not do into an answer.

    :raises OtherSide: with the failure's own words, and no secrets
    """
    try:
        yield
    except IntegrationError as failure:
        raise OtherSide(redact_text(str(failure))) from None


@extend_schema(tags=["connections"])
@extend_schema_view(
    list=extend_schema(summary="List connections", parameters=[WITHIN]),
    retrieve=extend_schema(
        summary="Show a connection", responses={200: ConnectionSerializer, **refusals(404)}
    ),
)
class ConnectionViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, ScopedViewSet[Connection]):
    """Connections to Stripe and Salesforce."""

    queryset = Connection.objects.select_related("environment__workspace").prefetch_related("credentials")
    serializer_class = ConnectionSerializer
    filterset_class = ConnectionFilter
    lookup_field = "public_id"
    lookup_url_kwarg = "id"
    lookup_value_regex = PUBLIC_ID
    permissions: ClassVar[dict[str, str]] = {
        "list": "connections.view",
        "retrieve": "connections.view",
        "create": "connections.manage",
        "test": "connections.manage",
        "readiness": "connections.manage",
        "rotate": "connections.manage",
        "pause": "connections.pause",
        "resume": "connections.pause",
        "webhooks": "connections.view",
        "add_webhook": "connections.manage",
    }

    @extend_schema(
        summary="Create a connection",
        request=NewConnectionSerializer,
        responses={201: ConnectionSerializer, **refusals(400, 403)},
    )
    def create(self, request: Request) -> Response:
        """Keep the account's secrets, encrypted. Test the connection next: that pins its account."""
        given = self.read(NewConnectionSerializer)
        environment = self.environment_named(given.pop("environment"))
        with asking_the_other_side():
            made = connections.create(
                environment=environment,
                settings=given.pop("settings", {}),
                **given,
                **self.by(),
            )
        return Response(ConnectionSerializer(made).data, status=status.HTTP_201_CREATED)

    @extend_schema(
        summary="Test a connection", request=None, responses={200: DiagnosisSerializer, **refusals(404)}
    )
    @action(methods=["POST"], detail=True)
    def test(self, request: Request, id: str) -> Response:
        """Sign in at the other system and say precisely what is wrong, if anything is."""
        found = connections.test(connection=self.get_object(), **self.by())
        return Response(DiagnosisSerializer(found).data)

    @extend_schema(
        summary="Check the readiness of a connection",
        request=None,
        responses={200: ReadinessSerializer, **refusals(404)},
    )
    @action(methods=["POST"], detail=True)
    def readiness(self, request: Request, id: str) -> Response:
        """Look at everything that the product needs at the other side, and say what to do about each."""
        found = readiness.examine(connection=self.get_object(), public_url=settings.PUBLIC_URL, **self.by())
        return Response(ReadinessSerializer(found).data)

    @extend_schema(
        summary="Replace secrets",
        request=RotationSerializer,
        responses={200: RotatedSerializer, **refusals(400, 404)},
    )
    @action(methods=["POST"], detail=True)
    def rotate(self, request: Request, id: str) -> Response:
        """Replace the named secrets, the others stay, and test the connection with them."""
        given = self.read(RotationSerializer)
        connection = self.get_object()
        with asking_the_other_side():
            connections.rotate(connection=connection, secrets=given["secrets"], **self.by())
        told = connections.test(connection=connection, **self.by())
        shown = ConnectionSerializer(self.get_object()).data
        return Response({**shown, "diagnosis": DiagnosisSerializer(told).data})

    @extend_schema(
        summary="Pause a connection",
        request=PauseSerializer,
        responses={200: ConnectionSerializer, **refusals(400, 404)},
    )
    @action(methods=["POST"], detail=True)
    def pause(self, request: Request, id: str) -> Response:
        """Send and read nothing until somebody resumes it. Events are still taken in."""
        given = self.read(PauseSerializer)
        connections.pause(connection=self.get_object(), reason=given["reason"], **self.by())
        return self._shown()

    @extend_schema(
        summary="Resume a connection", request=None, responses={200: ConnectionSerializer, **refusals(404)}
    )
    @action(methods=["POST"], detail=True)
    def resume(self, request: Request, id: str) -> Response:
        """Let a paused or resting connection work again."""
        connections.resume(connection=self.get_object(), **self.by())
        return self._shown()

    @extend_schema(
        summary="List webhook endpoints",
        responses={200: WebhookEndpointSerializer(many=True), **refusals(404)},
        filters=False,
    )
    @action(methods=["GET"], detail=True, pagination_class=None)
    def webhooks(self, request: Request, id: str) -> Response:
        """Show where the system sends this connection's events."""
        found = self.get_object().webhook_endpoints.prefetch_related("secrets").order_by("id")
        return Response(WebhookEndpointSerializer(found, many=True).data)

    @extend_schema(
        summary="Add a webhook endpoint",
        request=NewWebhookEndpointSerializer,
        responses={201: WebhookEndpointSerializer, **refusals(400, 404, 502)},
    )
    @webhooks.mapping.post
    def add_webhook(self, request: Request, id: str) -> Response:
        """Make an address for events: with the secret of an endpoint of yours, or created at Stripe."""
        given = self.read(NewWebhookEndpointSerializer)
        connection = self.get_object()
        with asking_the_other_side():
            if "secret" in given:
                endpoint = connections.add_webhook_endpoint(
                    connection=connection, secret=given["secret"], **self.by()
                )
            else:
                endpoint, _ = connections.register_webhook(
                    connection=connection,
                    public_url=settings.PUBLIC_URL,
                    events=list(readiness.event_types_of(connection)),
                    **self.by(),
                )
        return Response(WebhookEndpointSerializer(endpoint).data, status=status.HTTP_201_CREATED)

    def _shown(self) -> Response:
        return Response(ConnectionSerializer(self.get_object()).data)


router = SimpleRouter()
router.register("connections", ConnectionViewSet, basename="connection")
urlpatterns = [*router.urls, *schema_api.urlpatterns]
