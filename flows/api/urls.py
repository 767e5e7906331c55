"""This module maps the REST addresses of flows, for the composition root to include."""

from __future__ import annotations

from django.urls import re_path
from rest_framework.routers import SimpleRouter

from flows.api.causes import CauseViewSet
from flows.api.checks import CheckViewSet
from flows.api.deployments import DeploymentViewSet
from flows.api.design import FlowViewSet, IntegrationViewSet, VersionViewSet
from flows.api.drafts import DraftViewSet, StepKindViewSet
from flows.api.effects import EffectViewSet
from flows.api.group_retries import GroupRetryViewSet
from flows.api.impact import ImpactViewSet
from flows.api.inbox import EventViewSet
from flows.api.letters import DeadLetterViewSet
from flows.api.links import LinkViewSet
from flows.api.match_rules import DirectoryViewSet, MatchRulesViewSet
from flows.api.mending import MendingViewSet, SavedFixViewSet
from flows.api.merging import MergeViewSet
from flows.api.missed import MissedEventsViewSet
from flows.api.missed_changes import MissedChangesViewSet
from flows.api.offers import OfferViewSet
from flows.api.org import OrgViewSet
from flows.api.passages import PassageViewSet
from flows.api.rates import ExchangeRateViewSet
from flows.api.reviews import QuestionViewSet
from flows.api.runs import RunViewSet
from flows.api.saved_views import SavedViewViewSet
from flows.api.suggestions import SuggestionViewSet
from flows.api.topics import TopicViewSet
from flows.api.trials import TestCaseViewSet, TrialViewSet
from integrator.accounts.rest import NUMBER, PUBLIC_ID

router = SimpleRouter()
router.register("integrations", IntegrationViewSet, basename="integration")
router.register("flows", FlowViewSet, basename="flow")
router.register(r"flows/(?P<flow>[A-Za-z0-9_-]{1,24})/versions", VersionViewSet, basename="version")
router.register(rf"flows/(?P<flow>{PUBLIC_ID})/test-cases", TestCaseViewSet, basename="test-case")
router.register("deployments", DeploymentViewSet, basename="deployment")
router.register("impacts", ImpactViewSet, basename="impact")
router.register("events", EventViewSet, basename="event")
router.register("runs", RunViewSet, basename="run")
router.register("saved-views", SavedViewViewSet, basename="saved-view")
router.register("dead-letters", DeadLetterViewSet, basename="dead-letter")
router.register("saved-fixes", SavedFixViewSet, basename="saved-fix")
router.register("reviews", QuestionViewSet, basename="review")
router.register("links", LinkViewSet, basename="link")
router.register("effects", EffectViewSet, basename="effect")
router.register("merges", MergeViewSet, basename="merge")
router.register("match-rules", MatchRulesViewSet, basename="match-rules")
router.register("known-customers", DirectoryViewSet, basename="known-customers")
router.register("exchange-rates", ExchangeRateViewSet, basename="exchange-rate")

DRAFT = rf"^flows/(?P<flow>{PUBLIC_ID})/draft/"
MISSED = rf"^connections/(?P<id>{PUBLIC_ID})/missed-events/"
CHANGES = rf"^connections/(?P<id>{PUBLIC_ID})/missed-changes/"
ORG = rf"^connections/(?P<id>{PUBLIC_ID})/org/"
TOPICS = rf"^connections/(?P<id>{PUBLIC_ID})/topics/"
OF_A_FLOW = rf"^flows/(?P<flow>{PUBLIC_ID})/"
CAUSES = r"^dead-letters/causes/"
urlpatterns = [
    # Before the router, to whom "causes" would be the id of a letter.
    re_path(CAUSES + "$", CauseViewSet.as_view({"get": "list"}), name="causes"),
    re_path(
        CAUSES + r"(?P<id>[A-Za-z0-9_-]{1,64})/$",
        CauseViewSet.as_view({"patch": "partial_update"}),
        name="cause",
    ),
    re_path(
        CAUSES + r"(?P<id>[A-Za-z0-9_-]{1,64})/discard/$",
        CauseViewSet.as_view({"post": "discard"}),
        name="discard-cause",
    ),
    re_path(
        CAUSES + r"(?P<id>[A-Za-z0-9_-]{1,64})/retry/$",
        GroupRetryViewSet.as_view({"get": "preview", "post": "begin"}),
        name="retry-cause",
    ),
    re_path(
        CAUSES + r"(?P<id>[A-Za-z0-9_-]{1,64})/approve/$",
        MendingViewSet.as_view({"post": "approve_cause"}),
        name="approve-cause",
    ),
    *(
        re_path(
            rf"^dead-letters/(?P<id>{PUBLIC_ID})/{act}/$",
            MendingViewSet.as_view({method: act}),
            name=f"dead-letter-{act}",
        )
        for act, method in (("remedy", "get"), ("object", "get"), ("approve", "post"), ("edit", "post"))
    ),
    re_path(r"^dead-letters/retries/$", GroupRetryViewSet.as_view({"get": "list"}), name="group-retries"),
    re_path(
        rf"^dead-letters/retries/(?P<id>{PUBLIC_ID})/$",
        GroupRetryViewSet.as_view({"get": "retrieve"}),
        name="group-retry",
    ),
    re_path(
        rf"^dead-letters/retries/(?P<id>{PUBLIC_ID})/stop/$",
        GroupRetryViewSet.as_view({"post": "stop"}),
        name="stop-group-retry",
    ),
    *router.urls,
    *(
        re_path(
            rf"^merges/(?P<id>{PUBLIC_ID})/{act}/$", MergeViewSet.as_view({"post": act}), name=f"merge-{act}"
        )
        for act in ("run", "seen")
    ),
    re_path(OF_A_FLOW + "try/$", TrialViewSet.as_view({"post": "try_out"}), name="try"),
    re_path(OF_A_FLOW + "passages/$", PassageViewSet.as_view({"get": "list"}), name="passages"),
    re_path(OF_A_FLOW + "shadow/$", TrialViewSet.as_view({"post": "shadow"}), name="shadow"),
    re_path(OF_A_FLOW + "check/$", CheckViewSet.as_view({"post": "check"}), name="check"),
    *(
        re_path(
            rf"^impacts/(?P<id>{NUMBER})/{act}/$", ImpactViewSet.as_view({"post": act}), name=f"impact-{act}"
        )
        for act in ("look", "mend")
    ),
    re_path(r"^expressions/check/$", CheckViewSet.as_view({"post": "expression"}), name="check-expression"),
    re_path(
        r"^expressions/complete/$", CheckViewSet.as_view({"post": "complete"}), name="complete-expression"
    ),
    re_path(
        MISSED + "$",
        MissedEventsViewSet.as_view({"get": "retrieve", "patch": "partial_update"}),
        name="missed-events",
    ),
    re_path(MISSED + "catch-up/$", MissedEventsViewSet.as_view({"post": "catch_up"}), name="catch-up"),
    re_path(MISSED + "compare/$", MissedEventsViewSet.as_view({"post": "compare"}), name="compare"),
    re_path(
        CHANGES + "$",
        MissedChangesViewSet.as_view({"get": "retrieve", "patch": "partial_update"}),
        name="missed-changes",
    ),
    re_path(
        CHANGES + "comparisons/$", MissedChangesViewSet.as_view({"post": "compare"}), name="compare-records"
    ),
    re_path(
        rf"{CHANGES}comparisons/(?P<resync>{NUMBER})/stop/$",
        MissedChangesViewSet.as_view({"post": "stop"}),
        name="stop-comparing",
    ),
    re_path(CHANGES + "polled/$", MissedChangesViewSet.as_view({"post": "poll"}), name="poll-object"),
    re_path(
        rf"{CHANGES}polled/(?P<polled>{NUMBER})/$",
        MissedChangesViewSet.as_view({"delete": "poll_no_more"}),
        name="poll-no-more",
    ),
    *(
        re_path(f"{ORG}{act}/$", OrgViewSet.as_view({"post": act}), name=f"org-{act}")
        for act in ("compare", "package", "check", "look", "deploy")
    ),
    re_path(TOPICS + "$", TopicViewSet.as_view({"get": "list", "post": "create"}), name="topics"),
    re_path(rf"{TOPICS}(?P<topic>{NUMBER})/$", TopicViewSet.as_view({"delete": "destroy"}), name="topic"),
    re_path(
        rf"{TOPICS}(?P<topic>{NUMBER})/go-on/$", TopicViewSet.as_view({"post": "go_on"}), name="topic-go-on"
    ),
    re_path(r"^drafts/$", DraftViewSet.as_view({"post": "create"}), name="drafts"),
    re_path(DRAFT + "differences/$", DraftViewSet.as_view({"get": "differences"}), name="draft-differences"),
    re_path(DRAFT + "$", DraftViewSet.as_view({"get": "retrieve", "patch": "partial_update"}), name="draft"),
    *(
        re_path(f"{DRAFT}{act}/$", DraftViewSet.as_view({"post": act}), name=f"draft-{act}")
        for act in ("undo", "redo", "publish", "discard")
    ),
    re_path(
        DRAFT + r"steps/(?P<step>[a-z0-9_]{1,60})/suggestions/$",
        SuggestionViewSet.as_view({"get": "retrieve", "post": "decide"}),
        name="suggestions",
    ),
    re_path(
        DRAFT + r"steps/(?P<step>[a-z0-9_]{1,60})/suggestions/accept/$",
        SuggestionViewSet.as_view({"post": "accept"}),
        name="suggestions-accept",
    ),
    re_path(
        DRAFT + r"steps/(?P<step>[a-z0-9_]{1,60})/offers/$",
        OfferViewSet.as_view({"get": "retrieve"}),
        name="offers",
    ),
    re_path(r"^step-kinds/$", StepKindViewSet.as_view({"get": "list"}), name="step-kinds"),
]
