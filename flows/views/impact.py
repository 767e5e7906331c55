"""This module shows what changes of objects mean for live flows, and lets designers mend them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from flows import designer
from flows.designing.tree import Refused
from flows.impact import applying, drafts, keeping, looking
from flows.impact.applying import Standing
from flows.impact.told import Finding
from flows.models import Deployment, Impact
from integrator.accounts.access import environment_of, require, scope_of
from integrator.web import refuse

MOST_DRAFTS = 10  # of flows whose draft is looked at beside the live version
SECONDS = 4.0  # for the events that are counted while somebody waits
LONGEST = 100


@dataclass(frozen=True, slots=True)
class Line:
    """One finding as the page shows it; `mended` says that the draft has it no more."""

    found: Finding
    mended: bool

    @property
    def mends(self) -> bool:
        """Tell whether something can be offered."""
        return bool(self.found.mends) and not self.mended


@dataclass(frozen=True, slots=True)
class Row:
    """A live flow, with what has become of its lines."""

    deployment: Deployment
    impact: Impact | None
    lines: Sequence[Line] = ()
    known: Sequence[Finding] = ()  # about which nothing has to be done
    version: int | None = None  # the one in which lines are mended; none: the draft

    @property
    def is_mended(self) -> bool:
        """Tell whether the draft has none of it any more."""
        return bool(self.lines) and all(line.mended for line in self.lines)

    @property
    def offers(self) -> int:
        """Return how many lines can be mended at once."""
        return sum(line.mends for line in self.lines)

    @property
    def changed(self) -> str:
        """Name the objects that have changed."""
        names = list(dict.fromkeys(line.found.object for line in self.lines if line.found.object))
        return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else "".join(names)


@require("flows.view")
@require_GET
def page(request: HttpRequest, workspace: str, environment: str) -> HttpResponse:
    """List the live flows under which something has changed, those that fail first."""
    here, now = environment_of(request), timezone.now()
    flow, object_ = (
        request.GET.get(name, "").replace("\0", "").strip()[:LONGEST] for name in ("flow", "object")
    )
    live = keeping.live().filter(pair__environment=here)
    rows, looked = [], 0
    for deployment in live.filter(flow__public_id=flow) if flow else live:
        impact: Impact | None = getattr(deployment, "impact", None)
        found = _narrowed(keeping.findings_of(impact), object_) if impact is not None else []
        looked += bool(impact is not None and impact.is_wrong)
        with_draft = impact is not None and impact.is_wrong and looked <= MOST_DRAFTS
        after = applying.standing(deployment, now=now) if with_draft else None
        rows.append(_row(deployment, impact, found, after))
    context = {
        "rows": sorted((row for row in rows if row.lines), key=_order),
        "known": [row for row in rows if row.known and not row.lines],
        "waiting": [row for row in rows if row.impact is None],
        "drafts": [] if flow else drafts.concerned(here, now=now),
        "flow": flow,
        "object": object_,
        "workspace": scope_of(request).workspace,
        "environment": here,
    }
    return render(request, "flows/impact.html", context)


def _narrowed(found: Sequence[Finding], object_: str) -> list[Finding]:
    return [one for one in found if not object_ or object_ in (one.object, one.target)]


def _row(
    deployment: Deployment, impact: Impact | None, found: Sequence[Finding], after: Standing | None
) -> Row:
    lines = [
        Line(one, mended=after is not None and one.key not in after.left)
        for one in found
        if one.severity != "know"
    ]
    known = [one for one in found if one.severity == "know"]
    return Row(deployment, impact, lines, known, after.version if after else None)


def _order(row: Row) -> tuple[bool, bool, str]:
    fails = any(line.found.severity == "fails" for line in row.lines)
    return row.is_mended, not fails, row.deployment.flow.name.casefold()


@require("flows.edit")
@require_POST
def mend(request: HttpRequest, workspace: str, environment: str, deployment: int) -> HttpResponse:
    """Mend one line, or all of a flow, in its draft, and lead to where it can be looked at."""
    found = _deployment(request, deployment)
    key, name = request.POST.get("finding", "")[:LONGEST], request.POST.get("mend", "")[:LONGEST]
    try:
        done = applying.mend(
            deployment=found,
            keys=[key] if key else None,
            choices={key: name} if key and name else None,
            actor=scope_of(request).actor,
            now=timezone.now(),
        )
    except (applying.NothingToMend, designer.Conflict, Refused) as refusal:
        return refuse(request, str(refusal))
    lines = "1 line is" if done.count == 1 else f"{done.count} lines are"
    more = f" {done.left} more can be mended after it, the same way." if done.left else ""
    messages.success(request, f"{lines} mended in the draft.{more} Look at it, then publish and deploy it.")
    place = {**_place(request), "flow": found.flow.public_id}
    if done.step:
        return redirect(reverse("flows:mapper", kwargs={**place, "step": done.step}))
    return redirect(reverse("flows:design", kwargs=place))


@require("schemas.refresh")
@require_POST
def look(request: HttpRequest, workspace: str, environment: str, deployment: int) -> HttpResponse:
    """Ask about the objects of a flow again, and work out anew what has become of its lines."""
    found, now = _deployment(request, deployment), timezone.now()
    looking.ask_again(found, now=now)
    impact = keeping.renew(found, now=now, seconds=SECONDS)
    if impact.is_wrong:
        messages.warning(request, f"Something has changed under {found.flow.name}.")
    else:
        messages.success(request, f"Nothing that {found.flow.name} depends on has changed.")
    return redirect(reverse("flows:impact", kwargs=_place(request)))


def _deployment(request: HttpRequest, number: int) -> Deployment:
    return get_object_or_404(keeping.live().filter(pair__environment=environment_of(request)), pk=number)


def _place(request: HttpRequest) -> dict[str, str]:
    return {"workspace": scope_of(request).workspace.slug, "environment": environment_of(request).slug}
