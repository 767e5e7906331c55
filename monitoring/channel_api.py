"""This module is the REST interface of alert channels and rules. No secret is shown twice."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import mixins, serializers
from rest_framework.decorators import action
from rest_framework.exceptions import PermissionDenied, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from connectors.models import Connection
from integrator.accounts.models import Environment
from integrator.accounts.rest import PUBLIC_ID, ScopedViewSet, refusals
from monitoring import channels, rules
from monitoring.conditions import Severity
from monitoring.message_api import router
from monitoring.models import AlertChannel, AlertRule
from monitoring.rules import GivenStep

__all__ = ["AlertChannelViewSet", "AlertRuleViewSet", "router"]


# Channels


class AlertChannelSerializer(serializers.ModelSerializer[AlertChannel]):
    """A way by which alerts are told. Its address and secret are never shown."""

    id = serializers.CharField(source="public_id", read_only=True)
    leads_to = serializers.CharField(source="target", read_only=True, help_text="Addresses, host or event.")
    connection = serializers.CharField(source="connection.public_id", default=None, allow_null=True)

    class Meta:
        model = AlertChannel
        fields = (
            "id", "kind", "name", "enabled", "leads_to", "connection", "failures", "failed_since", "failure",
            "last_sent_at", "created_by", "created_at",
        )  # fmt: skip
        read_only_fields = fields


class AlertChannelGivenSerializer(serializers.Serializer[Any]):
    """What a channel is to be. What its kind does not know is ignored."""

    name = serializers.CharField(max_length=100)
    addresses = serializers.ListField(
        child=serializers.CharField(max_length=254), required=False, help_text="Of an e-mail channel."
    )
    url = serializers.CharField(
        required=False, allow_blank=True, max_length=2000,
        help_text="Of Slack or a signed webhook; it is not shown again. Left out in a change: it stays.",
    )  # fmt: skip
    connection = serializers.CharField(required=False, max_length=24, help_text="Id; publishes the event.")
    event = serializers.CharField(required=False, max_length=80, help_text="API name; ends with __e.")
    fields_of_event = serializers.DictField(
        child=serializers.CharField(max_length=80, allow_blank=True), required=False,
        help_text="id, title, text, severity, kind, link: the field that each is written into.",
    )  # fmt: skip


class NewAlertChannelSerializer(AlertChannelGivenSerializer):
    """A new channel."""

    kind = serializers.ChoiceField(choices=AlertChannel.Kind.choices)


class AlertChannelMadeSerializer(serializers.Serializer[Any]):
    """A channel as it was made or got a new secret: this once with it."""

    channel = AlertChannelSerializer()
    secret = serializers.CharField(help_text="Of a signed webhook; shown this once. Empty for others.")


class SentTestSerializer(serializers.Serializer[Any]):
    """The message of a test that is on its way."""

    message = serializers.CharField(help_text="Its id, under which alert-messages tells what was answered.")


class SwitchedSerializer(serializers.Serializer[Any]):
    """Whether something is to be on."""

    on = serializers.BooleanField()


class OfWorkspace(ScopedViewSet[Any]):
    """Views over what holds in the whole workspace; to change it takes a role there."""

    lookup_field = "public_id"
    lookup_url_kwarg = "id"
    lookup_value_regex = PUBLIC_ID

    def within(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        """Return the rows of the request's workspace."""
        return rows.filter(workspace=self.scope.workspace)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """
        Let nobody change what holds everywhere by a role in one environment.

        :raises PermissionDenied: if that is what the request is about to do
        """
        super().initial(request, *args, **kwargs)
        changes = request.method not in ("GET", "HEAD", "OPTIONS") and hasattr(
            self, str(request.method).lower()
        )
        if changes and not self.scope.at(None).can("alerts.route"):
            raise PermissionDenied(
                "This holds in the whole workspace, and the role holds in one environment."
            )


ROUTE = "alerts.route"


@extend_schema(tags=["alerts"])
@extend_schema_view(
    list=extend_schema(summary="List alert channels", responses={200: AlertChannelSerializer(many=True)}),
    retrieve=extend_schema(
        summary="Show an alert channel", responses={200: AlertChannelSerializer, **refusals(404)}
    ),
)
class AlertChannelViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, OfWorkspace):
    """Channels."""

    queryset = AlertChannel.objects.filter(deleted_at__isnull=True).select_related("connection")
    serializer_class = AlertChannelSerializer
    conflicts = (channels.InUse,)
    permissions: ClassVar[dict[str, str]] = {
        "list": "alerts.view",
        "retrieve": "alerts.view",
        **dict.fromkeys(("create", "update", "destroy", "switch", "test", "secret"), ROUTE),
    }

    @extend_schema(
        summary="Add an alert channel",
        request=NewAlertChannelSerializer,
        responses={201: AlertChannelMadeSerializer, **refusals(400, 403)},
    )
    def create(self, request: Request) -> Response:
        """Add a channel; the answer has the secret of a signed webhook, this once."""
        said = self.read(NewAlertChannelSerializer)
        made, secret = channels.add(
            workspace=self.scope.workspace, kind=said["kind"], given=self._given(said), **self.by()
        )
        return Response(AlertChannelMadeSerializer({"channel": made, "secret": secret}).data, status=201)

    @extend_schema(
        summary="Change an alert channel",
        request=AlertChannelGivenSerializer,
        responses={200: AlertChannelSerializer, **refusals(400, 403, 404)},
    )
    def update(self, request: Request, id: str) -> Response:
        """Let it lead elsewhere, or have another name."""
        found = self.get_object()
        return self._shown(
            channels.change(
                channel=found, given=self._given(self.read(AlertChannelGivenSerializer)), **self.by()
            )
        )

    @extend_schema(summary="Delete an alert channel", responses={204: None, **refusals(403, 404, 409)})
    def destroy(self, request: Request, id: str) -> Response:
        """Forget its address and secret; refused while rules tell it."""
        channels.delete(channel=self.get_object(), **self.by())
        return Response(status=204)

    @extend_schema(
        summary="Switch an alert channel on or off",
        request=SwitchedSerializer,
        responses={200: AlertChannelSerializer, **refusals(400, 403, 404)},
    )
    @action(methods=["POST"], detail=True)
    def switch(self, request: Request, id: str) -> Response:
        """Let it be told, or nothing; what waits for it is dropped when it is switched off."""
        found = self.get_object()
        return self._shown(
            channels.switch(channel=found, on=self.read(SwitchedSerializer)["on"], **self.by())
        )

    @extend_schema(
        summary="Send a test",
        request=None,
        responses={202: SentTestSerializer, **refusals(400, 403, 404)},
    )
    @action(methods=["POST"], detail=True)
    def test(self, request: Request, id: str) -> Response:
        """Have a test sent; `message` is its id, under which alert-messages tells what was answered."""
        made = channels.test(channel=self.get_object(), **self.by())
        return Response({"message": made.public_id}, status=202)

    @extend_schema(
        summary="Renew the signing secret",
        request=None,
        responses={200: AlertChannelMadeSerializer, **refusals(400, 403, 404)},
    )
    @action(methods=["POST"], detail=True)
    def secret(self, request: Request, id: str) -> Response:
        """Make a new secret, shown this once; the former one signs for 24 hours, too."""
        found = self.get_object()
        secret = channels.renew_secret(channel=found, **self.by())
        return Response(AlertChannelMadeSerializer({"channel": found, "secret": secret}).data)

    def _given(self, said: dict[str, Any]) -> channels.Given:
        return channels.Given(
            name=said["name"],
            addresses=tuple(said.get("addresses", ())),
            url=said.get("url", ""),
            connection=self._connection(said.get("connection", "")),
            event=said.get("event", ""),
            fields=said.get("fields_of_event", channels.USUAL_FIELDS),
        )

    def _connection(self, id: str) -> Connection | None:
        mine = Connection.objects.filter(environment__workspace=self.scope.workspace)
        return mine.select_related("environment").filter(public_id=id).first() if id else None

    def _shown(self, channel: AlertChannel) -> Response:
        return Response(AlertChannelSerializer(self.queryset.all().get(pk=channel.pk)).data)


# Rules


class AlertRuleStepSerializer(serializers.Serializer[Any]):
    """A channel, and after how many minutes without an acknowledgement it is told."""

    channel = serializers.CharField(source="channel.public_id", max_length=24)
    after_minutes = serializers.IntegerField(default=0, min_value=0, max_value=rules.LONGEST_AFTER)


class AlertRuleSerializer(serializers.ModelSerializer[AlertRule]):
    """Which alerts are told, by which channels, and when. Empty kinds or environments: all of them."""

    id = serializers.CharField(source="public_id", read_only=True)
    severities = serializers.ListField(child=serializers.ChoiceField(choices=[one.value for one in Severity]))
    kinds = serializers.ListField(child=serializers.CharField(max_length=30), default=list)
    environments = serializers.SlugRelatedField(
        slug_field="slug", many=True, queryset=Environment.objects.none(), required=False
    )
    steps = AlertRuleStepSerializer(many=True)

    class Meta:
        model = AlertRule
        fields = (
            "id", "name", "position", "enabled", "kinds", "severities", "environments", "steps", "stops",
            "tells_end", "window_seconds", "per_hour", "repeat_minutes", "quiet_from", "quiet_until",
            "quiet_zone", "quiet_lets_critical", "created_by", "created_at",
        )  # fmt: skip
        read_only_fields = ("id", "position", "created_by", "created_at")
        validators: ClassVar[list[Any]] = []  # the operation says more clearly what cannot be

    def get_fields(self) -> dict[str, Any]:
        """Return the fields; environments are those of the request's workspace."""
        found = super().get_fields()
        view = self.context.get("view")
        if view is not None and not getattr(view, "swagger_fake_view", False):
            mine = Environment.objects.filter(workspace=view.scope.workspace)
            found["environments"].child_relation.queryset = mine  # type: ignore[attr-defined]  # of many
        return dict(found)


@extend_schema(tags=["alerts"])
@extend_schema_view(
    list=extend_schema(
        summary="List alert rules",
        description="In the order in which they are looked at. The rule by which administrators are mailed "
        "comes last, and is not listed.",
        responses={200: AlertRuleSerializer(many=True)},
    ),
    retrieve=extend_schema(
        summary="Show an alert rule", responses={200: AlertRuleSerializer, **refusals(404)}
    ),
)
class AlertRuleViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, OfWorkspace):
    """Rules."""

    queryset = AlertRule.objects.filter(administrators=False).prefetch_related(
        "environments", "steps__channel"
    )
    serializer_class = AlertRuleSerializer
    permissions: ClassVar[dict[str, str]] = {
        "list": "alerts.view",
        "retrieve": "alerts.view",
        **dict.fromkeys(("create", "update", "destroy", "move"), ROUTE),
    }

    @extend_schema(
        summary="Add an alert rule",
        responses={201: AlertRuleSerializer, **refusals(400, 403)},
    )
    def create(self, request: Request) -> Response:
        """Add a rule behind all others."""
        return self._shown(
            rules.add(workspace=self.scope.workspace, given=self._given(), **self.by()), status=201
        )

    @extend_schema(
        summary="Change an alert rule",
        responses={200: AlertRuleSerializer, **refusals(400, 403, 404)},
    )
    def update(self, request: Request, id: str) -> Response:
        """Let it say something else; what is left out is as for a new one."""
        found = self.get_object()
        return self._shown(rules.change(rule=found, given=self._given(), **self.by()))

    @extend_schema(summary="Delete an alert rule", responses={204: None, **refusals(403, 404)})
    def destroy(self, request: Request, id: str) -> Response:
        """Remove it; what it planned and did not tell yet is dropped."""
        rules.delete(rule=self.get_object(), **self.by())
        return Response(status=204)

    @extend_schema(
        summary="Move an alert rule",
        request=SwitchedSerializer,
        responses={200: AlertRuleSerializer, **refusals(400, 403, 404)},
        description="`on` true: it is looked at before the one in front of it; false: after the next one.",
    )
    @action(methods=["POST"], detail=True)
    def move(self, request: Request, id: str) -> Response:
        """Have it looked at earlier or later, by one place."""
        found = self.get_object()
        rules.move(rule=found, up=self.read(SwitchedSerializer)["on"], **self.by())
        return self._shown(found)

    def _given(self) -> rules.Given:
        given = AlertRuleSerializer(data=self.request.data, context={"view": self})
        given.is_valid(raise_exception=True)
        said = dict(given.validated_data)
        mine = {one.public_id: one for one in AlertChannel.objects.of(self.scope.workspace)}
        steps = []
        for step in said.pop("steps"):
            channel = mine.get(step["channel"]["public_id"])
            if channel is None:
                raise ValidationError({"steps": "There is no such channel here."})
            steps.append(GivenStep(channel, step["after_minutes"]))
        return rules.Given(steps=steps, **said)

    def _shown(self, rule: AlertRule, status: int = 200) -> Response:
        found = self.queryset.all().get(pk=rule.pk)
        return Response(AlertRuleSerializer(found, context={"view": self}).data, status=status)


router.register("alert-channels", AlertChannelViewSet, basename="alert-channel")
router.register("alert-rules", AlertRuleViewSet, basename="alert-rule")
