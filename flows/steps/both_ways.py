"""This module compares the rules that flows have for fields which both sides may change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from flows.agreeing.merging import Line, Policy
from flows.engine.definition import FlowDocument
from flows.engine.kind import Earlier, Kind
from flows.mapping.issues import Issue
from flows.steps.saving import mapping_of
from flows.steps.two_way import POLICIES, TwoWay, lines_of_parameters, lines_of_record
from flows.steps.update import UpdateSettings
from flows.steps.update_in_stripe import UpdateInStripeSettings
from flows.steps.upsert import UpsertSettings
from flows.steps.writes import walk

RECORD_CHANGES = "salesforce.change"


@dataclass(frozen=True, slots=True)
class Rule:
    """What one step does with one field where both sides have changed it."""

    step: str
    field: str  # as the step names it
    salesforce: str  # its path there
    stripe: tuple[str, ...]  # the paths that it is made of, or the one that it is written to
    policy: Policy


def rules_in(document: FlowDocument, kinds: Mapping[str, Kind]) -> list[Rule]:
    """Return the rules of every field that steps of `document` keep in agreement."""
    earlier: dict[str, Earlier] = {}
    found: list[Rule] = []
    for step, _ in walk(document.steps):
        settings = kinds[step.kind].settings_model.model_validate(step.settings)
        earlier[step.id] = Earlier(step.kind, settings)
        two_way = getattr(settings, "two_way", None)
        if isinstance(two_way, TwoWay):
            found += [
                Rule(step.id, name, line.about, _stripe(line), two_way.policy_of(name))
                for name, line in _lines(settings, earlier).items()
            ]
    return found


def _lines(settings: object, earlier: Mapping[str, Earlier]) -> dict[str, Line]:
    if isinstance(settings, UpsertSettings):
        mapping = mapping_of(settings.record, earlier)
        return lines_of_record(settings.object, mapping, key=settings.external_id)
    if isinstance(settings, UpdateSettings):
        return lines_of_record(settings.object, mapping_of(settings.record, earlier), key="Id")
    if isinstance(settings, UpdateInStripeSettings):
        reads = {name: value.line("Value").reads() for name, value in settings.parameters.items()}
        return lines_of_parameters(settings.object, reads)
    return {}


def _stripe(line: Line) -> tuple[str, ...]:
    return line.reads if line.about == line.key else (line.key,)


def issues_of(
    document: FlowDocument, others: Mapping[str, FlowDocument], kinds: Mapping[str, Kind]
) -> Iterator[Issue]:
    """Yield steps without another side to agree with, and fields for which another flow has its own rule."""
    rules = rules_in(document, kinds)
    yield from _without_another_side(document, kinds)
    for name, other in others.items() if rules else ():
        theirs = {(one.salesforce, path): one for one in rules_in(other, kinds) for path in one.stripe}
        for ours in rules:
            known = next(
                (theirs[ours.salesforce, path] for path in ours.stripe if (ours.salesforce, path) in theirs),
                None,
            )
            if known is not None and known.policy != ours.policy:
                yield _other_rule(ours, known, name)


def _other_rule(ours: Rule, known: Rule, name: str) -> Issue:
    message = (
        f"Where both sides changed {ours.field}, {_words(ours)} here, and {_words(known)} in {name}: "
        "whichever flow comes first decides"
    )
    fix = "Give both flows the same rule for the field."
    return Issue("warning", "other_rule", "two_way", message, fix, ours.step)


def _words(rule: Rule) -> str:
    word = POLICIES[rule.policy]
    return word[0].lower() + word[1:] if rule.policy in ("ask", "newest") else word


def _without_another_side(document: FlowDocument, kinds: Mapping[str, Kind]) -> Iterator[Issue]:
    for step, _ in walk(document.steps):
        settings = kinds[step.kind].settings_model.model_validate(step.settings)
        if getattr(settings, "two_way", None) is None:
            continue
        into_stripe = isinstance(settings, UpdateInStripeSettings)
        if into_stripe == (document.trigger.kind == RECORD_CHANGES):
            continue
        side, start = (
            ("Stripe", "a change of a record") if into_stripe else ("Salesforce", "events of Stripe")
        )
        message = f"The step compares {side} with the other side, and only {start} can tell how that stands"
        fix = "Start the flow with it, or take away that both sides may change the record."
        yield Issue("error", "no_other_side", "two_way", message, fix, step.id)
