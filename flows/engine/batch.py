"""This module takes a batch of runs of one version through its steps, all at the same pace."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from flows.engine import branches, called, each, edits, trace, undoing
from flows.engine.definition import ERROR
from flows.engine.item import Carried, Item, Write
from flows.engine.outcome import AskHuman, Done, End, Failure, GiveUp, Outcome, Pause, ReadAgain, RetryAt
from flows.engine.plan import Line, Node, Plan
from flows.engine.policy import Policy, decide
from flows.engine.ports import Abandoned, Ports, Reading
from flows.engine.records import GONE
from flows.engine.trace import SOURCE
from flows.engine.within import Take
from integrator.kernel.errors import IntegrationError, Missing
from integrator.kernel.redact import redact_text

# How runs go through the steps that stand inside of a step.
_TAKE: dict[str, Take] = {
    "elements": each.take,
    "branches": branches.take,
    "undoing": undoing.take,
    "called": called.take,
}
NOT_WANTED = "The record is not as the flow's trigger wants it"
_SAFE_LENGTH = 300  # characters of a stranger's message that are worth keeping
_OWN_ROOTS = frozenset({"event", "previous", "steps", ERROR})  # the rest of a context is what Stripe said


@dataclass(frozen=True, slots=True)
class Finished:
    """How one run of a batch ended, for now."""

    run_id: int
    outcome: Outcome
    fate: str  # applied, ignored, superseded; queued, waiting or dead where the flow did not end
    reason: str
    step: str  # where it stopped; empty if it went to the end
    trace: list[dict[str, Any]]
    letters: str  # s done, e failed, i ended here
    writes: list[Write]
    item: Item


def run(plan: Plan, items: Sequence[Item], ports: Ports, policy: Policy) -> list[Finished]:
    """
    Take `items` through `plan` and return how each of them ended, in order.

    :raises Abandoned: if this worker may not go on; then nothing of the batch may be closed
    """
    return _Batch(plan, ports, policy).run(items)


class _Batch:
    def __init__(self, plan: Plan, ports: Ports, policy: Policy) -> None:
        self._plan = plan
        self._ports = ports
        self._walk = _Walk(plan.nodes, ports, policy)

    def run(self, items: Sequence[Item]) -> list[Finished]:
        walk = self._walk
        as_it_came, anew = [], []
        behind: dict[int, list[Item]] = defaultdict(list)
        for item in items:
            if (carried := item.carried) and (place := self._plan.place_of(carried.step)):
                _carry_on(item, carried)
                behind[place].append(item)
                continue
            noted = _use(item, roots_of(item))
            if item.read_first or item.event.type in self._plan.fetch:
                anew.append(item)
            else:
                as_it_came.append(item)
                edited = roots_of(item) if item.edits else None  # nobody else has it
                item.trace.append(trace.source_entry("payload", item.source, edited, noted))
        doubtful = walk.take(self._beginning([*self._read(anew), *as_it_came]), behind)
        for item in walk.take(self._beginning(self._read(doubtful))):
            walk.stop(item, SOURCE, _internal("A step asked to read again what had just been read"))
        return [walk.finished[id(item)] for item in items]

    def _read(self, items: list[Item]) -> list[Item]:
        """Read what `items` are about, in one go, and return those that can start with it."""
        ready = []
        for item, answer in zip(items, _isolated(self._ports.read_roots, items), strict=True):
            if isinstance(answer, Reading):
                item.source = answer.source
                noted = _use(item, answer.roots)
                roots = roots_of(item) if noted else answer.roots
                item.trace.append(trace.source_entry("fetched", item.source, roots, noted))
            elif isinstance(answer, Missing) and item.event.record_id:
                # An event of the org tells only what changed, which is no state to go on with.
                item.trace.append(trace.source_entry("gone", item.source))
                self._walk.stop(item, SOURCE, End("ignored", GONE))
                continue
            elif isinstance(answer, Missing) and roots_of(item):
                # It was deleted meanwhile. What the event says is all that will ever be known of it.
                item.source = replace(item.source, gone=True)
                noted = _use(item, roots_of(item))
                edited = roots_of(item) if item.edits else None
                item.trace.append(trace.source_entry("gone", item.source, edited, noted))
            else:
                outcome = _ending(self._walk.decide(item, answer))
                item.trace.append(trace.source_entry("unread", item.source))
                item.trace[-1]["error"] = trace.error_entry(_failure_in(outcome))
                item.elements.clear()  # what a try that was in doubt did with them
                self._walk.stop(item, SOURCE, outcome)
                continue
            ready.append(item)
        return ready

    def _beginning(self, items: list[Item]) -> list[Item]:
        """Return those of `items` whose record is as the flow wants it; of a deleted one nothing is asked."""
        rules = self._plan.begins
        if rules is None:
            return items
        ready = []
        for item in items:
            if item.source.gone or rules.hold(item.context):
                ready.append(item)
                continue
            item.trace[-1]["input"] = trace.shown(rules.seen(item.context))
            self._walk.stop(item, SOURCE, End("ignored", NOT_WANTED))
        return ready


class _Walk:
    """One line of steps, the flow's own or a body, and how the items that came along it ended."""

    def __init__(self, line: Line, ports: Ports, policy: Policy) -> None:
        self._line = line
        self._ports = ports
        self._policy = policy
        self.finished: dict[int, Finished] = {}  # by the item's identity

    def take(self, items: list[Item], behind: Mapping[int, list[Item]] = MappingProxyType({})) -> list[Item]:
        """
        Take `items` from the first step to the end; return those whose state is in doubt.

        Others begin `behind` it, by the places of their steps.
        """
        waiting: list[list[Item]] = [list(behind.get(place, ())) for place in range(len(self._line))]
        waiting.append([])  # the end
        waiting[0] = items
        doubtful: list[Item] = []
        for place, node in enumerate(self._line):
            for item, following in self._step(node, waiting[place]):
                if following is None:
                    doubtful.append(item)
                else:
                    waiting[following].append(item)
        for item in waiting[-1]:
            fate, reason = _fate_of(item)
            self._end(item, Done(), fate=fate, reason=reason)
        return doubtful

    def _step(self, node: Node, batch: list[Item]) -> list[tuple[Item, int | None]]:
        """Take `batch` through one step; return who goes on, and where: nowhere if in doubt."""
        began = self._ports.now()
        answers = _isolated(lambda some: node.step(some, self._ports), batch)
        outcomes = [self.decide(item, answer) for item, answer in zip(batch, answers, strict=True)]
        if node.inside:
            outcomes = _TAKE[node.inside](node, batch, outcomes, self._along)
        ms = round((self._ports.now() - began).total_seconds() * 1000, 1)
        going_on: list[tuple[Item, int | None]] = []
        for item, outcome in zip(batch, outcomes, strict=True):
            match outcome:
                case Done() if outcome.exit in node.exits:
                    _leave(item, node, outcome, ms)
                    going_on.append((item, node.exits[outcome.exit]))
                case ReadAgain():
                    trace.add_step(item, node, exit_name=None, ms=ms, output=outcome.reason)
                    going_on.append((item, None))
                case _:
                    following = self._halt(item, node, outcome, ms)
                    if following is not None:
                        going_on.append((item, following))
        return going_on

    def _along(self, line: Line, items: list[Item]) -> list[Outcome | None]:
        """Take `items` along the steps inside of a step."""
        inner = _Walk(line, self._ports, self._policy)
        inner.take(items)
        return [inner.outcome_of(item) for item in items]

    def outcome_of(self, item: Item) -> Outcome | None:
        """Return how `item` ended, or nothing if its state is in doubt."""
        finished = self.finished.get(id(item))
        return None if finished is None else finished.outcome

    def decide(self, item: Item, answer: object) -> Outcome:
        """Return what becomes of `item`: a step's own outcome, or the policy's for a failure."""
        if isinstance(answer, Outcome):
            return answer
        if not isinstance(answer, IntegrationError):
            return _internal(f"A step answered with {type(answer).__name__}, which is no outcome")
        return decide(
            answer,
            attempt=item.attempts + 1,
            first_failed_at=item.first_failed_at,
            now=self._ports.now(),
            luck=self._ports.luck(),
            policy=self._policy,
        )

    def _halt(self, item: Item, node: Node, outcome: Outcome, ms: float) -> int | None:
        """End `item` at `node`: the flow ended it, or it failed; return where its failure is handled."""
        if isinstance(outcome, End):
            item.letters.append("i")
            trace.add_step(item, node, exit_name=None, ms=ms, seen=outcome.seen, output=outcome.reason)
            self.stop(item, node.id, outcome)
            return None
        outcome = _ending(outcome)
        item.letters.append("e")
        seen, notes = (outcome.seen, outcome.notes) if isinstance(outcome, GiveUp) else (None, ())
        failure = _failure_in(outcome)
        handled = isinstance(outcome, GiveUp) and outcome.failure.error_class != "internal"
        following = node.on_error if handled else None
        exit_name = None if following is None else ERROR
        trace.add_step(item, node, exit_name=exit_name, ms=ms, seen=seen, notes=notes, failure=failure)
        if following is None:
            self.stop(item, node.id, outcome)
        else:
            item.context[ERROR] = trace.error_entry(failure)
        return following

    def stop(self, item: Item, step: str, outcome: Outcome) -> None:
        """End `item` at `step` with `outcome`."""
        match outcome:
            case End(fate=fate, reason=reason):
                # A filter behind a write does not undo it.
                if "applied" in item.effects:
                    fate = "applied"
                self._end(item, outcome, fate=fate, reason=reason, step=step)
            case RetryAt(reason=reason) | Pause(reason=reason):
                self._end(item, outcome, fate="queued", reason=reason, step=step)
            case AskHuman(question=question):
                item.ask(step)
                self._end(item, outcome, fate="waiting", reason=question, step=step)
            case GiveUp(reason=reason):
                self._end(item, outcome, fate="dead", reason=reason, step=step)

    def _end(self, item: Item, outcome: Outcome, *, fate: str, reason: str, step: str = "") -> None:
        self.finished[id(item)] = Finished(
            item.run_id, outcome, fate, reason, step, item.trace, "".join(item.letters), item.writes, item
        )


def _isolated(call: Callable[[list[Item]], Sequence[object]], items: list[Item]) -> list[object]:
    """
    Return one answer of `call` for each item, so that a bug with one item harms no other.

    Items that share a call are taken one by one after it blew up. That is safe: every write
    is an upsert, and a second one changes nothing.
    """
    if not items:
        return []
    try:
        answers = call(items)
        if len(answers) != len(items):
            raise RuntimeError(f"{len(answers)} answers came back for {len(items)} items")
    except Abandoned:
        raise
    except IntegrationError as failure:  # of the call as a whole, so none of the items is the culprit
        return [failure for _ in items]
    except Exception as error:  # whatever a step kind may raise, installed ones included
        if len(items) == 1:
            return [_bug(error)]
        return [answer for item in items for answer in _isolated(call, [item])]
    return list(answers)


def _bug(error: Exception) -> GiveUp:
    text = redact_text(str(error))[:_SAFE_LENGTH]
    return _internal(f"{type(error).__name__}: {text}", code=type(error).__name__)


def _internal(message: str, code: str = "") -> GiveUp:
    return GiveUp(message, Failure("internal", message, code=code))


def _ending(outcome: Outcome) -> Outcome:
    """Turn an outcome for which there is no exit, such as a decline, into the failure that it is."""
    if not isinstance(outcome, Done):
        return outcome
    output = outcome.output if isinstance(outcome.output, dict) else {}
    message = str(output.get("error") or f"The step has no exit {outcome.exit}")
    error_class = "declined" if outcome.exit == "declined" else "internal"
    return GiveUp(message, Failure(error_class, message, code=str(output.get("code") or "")))


def _failure_in(outcome: Outcome) -> Failure | None:
    return None if isinstance(outcome, (Done, End, ReadAgain)) else outcome.failure


def roots_of(item: Item) -> dict[str, Any]:
    """Return the objects or the record that `item` is about, by path root."""
    return {name: value for name, value in item.context.items() if name not in _OWN_ROOTS}


def _use(item: Item, roots: dict[str, Any]) -> list[str]:
    """Put `item` before the first step, with `roots` as what Stripe said; return what a person should see."""
    noted: list[str] = []
    if item.edits:
        roots, noted = edits.lay_over(item.edits, roots)
    item.outputs = {}
    item.shown = {}
    item.inner = []
    item.letters.clear()
    item.elements.clear()
    item.touched.clear()
    item.context = {
        **roots,
        "event": item.event.as_root(),
        "previous": item.previous,
        "steps": item.outputs,
    }
    return noted


def _carry_on(item: Item, carried: Carried) -> None:
    """Put `item` before the step at which an earlier try gave up, with what that had found."""
    item.source = carried.source
    _use(item, roots_of(item) if carried.roots is None else carried.roots)
    item.outputs.update(carried.outputs)
    item.effects += carried.effects
    item.trace += carried.trace
    item.letters += "s" * (len(carried.trace) - 1)  # the first entry tells which state it uses


def _leave(item: Item, node: Node, outcome: Done, ms: float) -> None:
    item.outputs[node.id] = outcome.output
    item.letters.append("s")
    if outcome.effect != "none":
        item.effects.append(outcome.effect)
    trace.add_step(
        item,
        node,
        exit_name=outcome.exit,
        ms=ms,
        seen=outcome.seen,
        output=outcome.output,
        notes=outcome.notes,
    )


def _fate_of(item: Item) -> tuple[str, str]:
    """Return the fate of a run that went to the end of its flow."""
    if "applied" in item.effects or "unchanged" in item.effects:
        return "applied", ""
    if "superseded" in item.effects:
        return "superseded", "A newer state had been written already"
    if "echo" in item.effects:
        return "echo", "Nothing was to be written: both sides stand as they agreed, or one keeps its own"
    if "skipped" in item.effects:
        return "ignored", "It is history: what it would have started or created was left out"
    if handled := item.context.get(ERROR):
        return "ignored", f"The flow handled a failure: {handled['message']}"[:_SAFE_LENGTH]
    return "ignored", "The flow wrote nothing"
