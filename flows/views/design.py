"""This module shows flows and their versions, and lets approvers say which version is live."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from flows import checking, holds, passages, publishing, taken
from flows.designing import starting
from flows.forms import Deploy, Switch
from flows.mapping.issues import errors_in
from flows.models import Deployment, Flow, FlowVersion, Impact, Integration, Pair
from flows.passages import Traffic
from flows.views import holding, outline, summaries, together, trigger_panel
from flows.views.answers import done
from integrator.accounts.access import environment_of, require, scope_of
from integrator.accounts.models import Environment
from integrator.web import refuse


@dataclass(frozen=True, slots=True)
class Row:
    """One flow of the list with what is live here and elsewhere."""

    flow: Flow
    here: Deployment | None
    newest: FlowVersion | None
    elsewhere: Sequence[Deployment]

    @property
    def description(self) -> str:
        """Return what the flow does: by its newest version, or by its draft as long as there is none."""
        draft = getattr(self.flow, "draft", None)
        said = self.newest or draft
        return str(said.document.get("description") or "") if said else ""


@require("flows.view")
@require_GET
def flows(request: HttpRequest, workspace: str, environment: str) -> HttpResponse:
    """List the flows of the workspace with the version that is live in each environment."""
    here, scope = environment_of(request), scope_of(request)
    found = list(
        Flow.objects.filter(integration__workspace=scope.workspace)
        .select_related("integration", "draft")
        .prefetch_related("versions")
    )
    live = _live_by_flow(found)
    rows = [
        Row(
            flow=flow,
            here=next((one for one in live[flow.pk] if one.pair.environment_id == here.pk), None),
            newest=max(flow.versions.all(), key=lambda version: version.number, default=None),
            elsewhere=[one for one in live[flow.pk] if one.pair.environment_id != here.pk],
        )
        for flow in found
    ]
    context = {
        "rows": rows,
        "held": holding.held(found, here),
        "paired": Pair.objects.filter(environment=here).exists(),
        "integrations": Integration.objects.filter(workspace=scope.workspace),
        "starts": trigger_panel.CHOICES,
        "workspace": scope.workspace,
        "environment": here,
    }
    return render(request, "flows/flows.html", context)


def _live_by_flow(found: Sequence[Flow]) -> dict[int, list[Deployment]]:
    live: dict[int, list[Deployment]] = defaultdict(list)
    deployments = Deployment.objects.filter(flow__in=found, ended_at__isnull=True)
    for deployment in deployments.select_related("flow", "version", "pair__environment"):
        live[deployment.flow_id].append(deployment)
    return live


@require("flows.view")
@require_GET
def flow(request: HttpRequest, workspace: str, environment: str, flow: str) -> HttpResponse:
    """Show one version of a flow as a tree of steps, its mapping lines, and all its versions."""
    here = environment_of(request)
    found = _flow(request, flow)
    deployment = _live(found, here)
    versions = list(found.versions.order_by("-number")[:100])
    version = _chosen(request.GET.get("version", ""), versions, deployment)
    traffic = _traffic(found, version, deployment, here)
    steps = outline.steps_of(version.document, traffic) if version else []
    context = {
        "flow": found,
        "deployment": deployment,
        "impact": Impact.objects.filter(deployment=deployment).first() if deployment else None,
        "pair": _pair(found, here),
        "held": holding.held([found], here),
        "version": version,
        "together": together.told(version) if version else "",
        "versions": versions,
        "trigger": version.document.get("trigger", {}) if version else {},
        "start": starting.of(version.document) if version else None,
        "only_if": summaries.only_if(version.document) if version else "",
        "takers": taken.takers(found),
        "steps": steps,
        "traffic": traffic,
        "mappings": [step for step in _flat(steps) if step.lines],
        "history": found.deployments.filter(pair__environment=here).select_related("version")[:20],
        "workspace": scope_of(request).workspace,
        "environment": here,
    }
    return render(request, "flows/flow.html", context)


def _traffic(
    found: Flow, version: FlowVersion | None, live: Deployment | None, here: Environment
) -> Traffic | None:
    """Return what ran along the steps of a version that is live, or was within the last day."""
    pair = _pair(found, here)
    if version is None or pair is None:
        return None
    traffic = passages.of_flow(found, pair, now=timezone.now(), version=version)
    return traffic if traffic.taken or (live is not None and live.version_id == version.pk) else None


def _flat(steps: Sequence[outline.Step]) -> list[outline.Step]:
    flat: list[outline.Step] = []
    for step in steps:
        flat.append(step)
        for branch in step.branches:
            flat += _flat(branch.steps)
    return flat


def _chosen(asked: str, versions: Sequence[FlowVersion], deployment: Deployment | None) -> FlowVersion | None:
    """Return the version to show: the one that is asked for, else the live one, else the newest."""
    if asked:
        for version in versions:
            if str(version.number) == asked:
                return version
        raise Http404
    return deployment.version if deployment else next(iter(versions), None)


@require("flows.view")
@require_GET
def problems(request: HttpRequest, workspace: str, environment: str, flow: str) -> HttpResponse:
    """Say what is wrong with a version of a flow in this environment's org, as it is now."""
    here, now = environment_of(request), timezone.now()
    found = _flow(request, flow)
    pair = _pair(found, here)
    versions = list(found.versions.order_by("-number")[:100])
    version = _chosen(request.GET.get("version", ""), versions, _live(found, here))
    if version is None or pair is None:
        raise Http404
    issues = checking.check(version.document, pair, now=now, flow=found)
    readable = not any(issue.code == "invalid" for issue in issues)
    context = {
        "issues": issues,
        "errors": len(errors_in(issues)),
        "cost": checking.cost(version.document, pair, now=now) if readable else None,
        "pair": pair,
        "version": version,
    }
    return render(request, "flows/_problems.html", context)


@require("flows.deploy")
@require_POST
def deploy(request: HttpRequest, workspace: str, environment: str, flow: str) -> HttpResponse:
    """Make a version live in this environment; an older one rolls back."""
    found, form = _flow(request, flow), Deploy(request.POST)
    if not form.is_valid():
        return refuse(request, "Choose a version.")
    version = get_object_or_404(found.versions, number=form.cleaned_data["version"])
    pair = _pair(found, environment_of(request))
    if pair is None:
        return refuse(request, "Connect Stripe and Salesforce in this environment first.")
    try:
        publishing.deploy(version=version, pair=pair, actor=scope_of(request).actor, now=timezone.now())
    except publishing.Undeployable as refusal:
        return refuse(request, str(refusal))
    return done(
        request, f"Version {version.number} is live in {pair.environment}.", back=_back(request, found)
    )


@require("flows.deploy")
@require_POST
def switch(request: HttpRequest, workspace: str, environment: str, flow: str) -> HttpResponse:
    """Turn a flow on or off in this environment."""
    found, here, form = _flow(request, flow), environment_of(request), Switch(request.POST)
    if not form.is_valid():
        return refuse(request, "Say whether the flow is to be on or off.", status=422)
    deployment = _live(found, here)
    if deployment is None:
        return refuse(request, "No version of this flow is live here.")
    enabled = form.cleaned_data["enabled"] == "true"
    actor = scope_of(request).actor
    try:
        publishing.switch(deployment=deployment, enabled=enabled, actor=actor, now=timezone.now())
    except publishing.NotLive as refusal:
        return refuse(request, str(refusal))
    told = "is on: new events are handled." if enabled else "is off: new events are ignored by it."
    return done(request, f"{found.name} {told}", back=_back(request, found))


@require("flows.release")
@require_POST
def try_now(request: HttpRequest, workspace: str, environment: str, flow: str) -> HttpResponse:
    """Let a held flow go on at once."""
    found, now = _flow(request, flow), timezone.now()
    held = list(holds.held([found], environment_of(request)))
    try:
        for deployment in held:
            holds.try_now(deployment=deployment, actor=scope_of(request).actor, now=now)
    except holds.NotHeld as refusal:
        return refuse(request, str(refusal))
    if not held:
        return refuse(request, f"{found.name} is not held here. Its runs go on.")
    told = f"The runs of {found.name} go on. If the cause is still there, the flow is held again."
    return done(request, told, back=_back(request, found))


def _flow(request: HttpRequest, public_id: str) -> Flow:
    return get_object_or_404(
        Flow.objects.select_related("integration"),
        integration__workspace=scope_of(request).workspace,
        public_id=public_id,
    )


def _pair(found: Flow, here: Environment) -> Pair | None:
    pairs = Pair.objects.filter(integration=found.integration, environment=here)
    return pairs.select_related("stripe", "salesforce", "environment").first()


def _live(found: Flow, here: Environment) -> Deployment | None:
    live = found.deployments.filter(pair__environment=here, ended_at__isnull=True)
    return live.select_related("flow", "version", "pair__environment").first()


def _back(request: HttpRequest, found: Flow) -> str:
    place = {"workspace": scope_of(request).workspace.slug, "environment": environment_of(request).slug}
    return reverse("flows:flow", kwargs={**place, "flow": found.public_id})
