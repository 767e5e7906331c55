"""This module turns what is known of effects into what their steps come to."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from flows.engine import once as deciding
from flows.engine.item import Item
from flows.engine.kind import Answer, Step
from flows.engine.outcome import AskHuman, Done, Option, Pause
from flows.engine.ports import Doubtful, EffectResult, Happened, Intent, LeftOut, NotYet, Ports
from flows.steps import already

OPTIONS = (
    Option(deciding.HAPPENED, "It happened", "The run goes on behind this step."),
    Option(
        deciding.REPEAT,
        "It did not happen: do it now",
        "It is done once the first try can land no more: after eleven minutes.",
    ),
    Option(deciding.SKIP, "Leave it out", "It is not done, and the run goes on behind this step."),
)


def step_of(intent: Callable[[Item], Intent | Answer]) -> Step:
    """
    Return the step that makes the `intent` of every run of a batch once, all in one go.

    A run whose intent cannot be made out has the answer that `intent` gives instead.
    """

    def step(batch: Sequence[Item], ports: Ports) -> list[Answer]:
        todo = [intent(item) for item in batch]
        intents = [one for one in todo if isinstance(one, Intent)]
        made = ports.effect_many(intents) if intents else []
        results = iter(already.answers(intents, made, ports))
        return [_answer(one, next(results)) if isinstance(one, Intent) else one for one in todo]

    return step


def _answer(intent: Intent, result: EffectResult | Answer) -> Answer:
    match result:
        case Happened(result=told, before=before):
            return Done({**told, "before": before}, effect="applied", seen=intent.request)
        case LeftOut(reason=reason):
            return Done({"skipped": reason}, effect="skipped", seen=intent.request)
        case Doubtful(message=message):
            return _did_it_happen(intent, message)
        case NotYet(until=until):
            return Pause(until, "An earlier try of the same call may still be carried out", holds="run")
        case failure:
            return failure


def _did_it_happen(intent: Intent, message: str) -> AskHuman:
    return AskHuman(
        f"Did this happen: {intent.purpose}, for {intent.record}? {message}",
        kind="in_doubt",
        options=OPTIONS,
        evidence={"purpose": intent.purpose, "record": intent.record, "request": dict(intent.request)},
    )
