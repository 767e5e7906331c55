"""This module holds what people decide about anomalies: each anomaly, each series, and what is to come."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from django.db import transaction

from connectors.models import Connection
from flows.models import Change
from integrator.accounts import audit
from integrator.accounts.models import Environment
from integrator.kernel.refusals import Unacceptable
from monitoring import anomalies, detection, flow_anomalies
from monitoring.anomaly_knobs import CHARGES, EVERYTHING, SENSITIVITIES
from monitoring.anomaly_models import Anomaly, FlowSeries, KnownEvent, Series
from monitoring.detection import calendar

METRICS = {EVERYTHING: "Everything", CHARGES: "Fewer or more charges", **detection.KEYS}
Watched = Series | FlowSeries


# About an anomaly


def dismiss(*, anomaly: Anomaly, actor: str, now: datetime) -> Anomaly:
    """
    Say that it is no anomaly: its like has to be more unusual from now on to be told, ever less so.

    :raises AlreadyOver: if that was said before
    """
    with transaction.atomic():
        watched = _locked(anomaly.flow_series or anomaly.series)
        found = Anomaly.objects.select_for_update().get(pk=anomaly.pk)
        found.dismiss(actor=actor, now=now)
        key = detection.key_of(found.kind, found.metric)
        watched.state = detection.not_an_anomaly(watched.state or _fresh(watched), key)
        watched.save(update_fields=["state"])
        _record(watched, "anomaly.dismissed", actor, now, anomaly=found.public_id, kind=found.kind)
    return found


def acknowledge(*, anomaly: Anomaly, actor: str, now: datetime) -> Anomaly:
    """
    Say that somebody takes care of it.

    :raises AlreadyOver: if it is over by now
    """
    with transaction.atomic():
        watched = anomaly.flow_series or anomaly.series
        found = Anomaly.objects.select_for_update().get(pk=anomaly.pk)
        found.acknowledge(actor=actor, now=now)
        _record(watched, "anomaly.acknowledged", actor, now, anomaly=found.public_id, kind=found.kind)
    return found


def mute(*, anomaly: Anomaly, until: datetime, actor: str, now: datetime) -> KnownEvent:
    """
    Tell nothing like it of its connection or flow until then; that stands in the calendar.

    :raises Unacceptable: if that moment is over
    """
    return announce(
        environment=anomaly.series.connection.environment, connection=anomaly.series.connection,
        flow_series=anomaly.flow_series, metric=detection.key_of(anomaly.kind, anomaly.metric),
        name="Muted", begins=now, ends=until, actor=actor, now=now,
    )  # fmt: skip


# About what is to come


def announce(
    *, environment: Environment, begins: datetime, ends: datetime, actor: str, now: datetime,
    connection: Connection | None = None, flow_series: FlowSeries | None = None, metric: str = EVERYTHING,
    name: str = "", repeats: str = calendar.ONCE, last_day: date | None = None,
) -> KnownEvent:  # fmt: skip
    """
    Say that something is to come, such as a promotion: while it goes on, `metric` ("" for all) is not told.

    :raises Unacceptable: if it does not end after it begins, is over already, or there is no such metric
    """
    event = KnownEvent(
        environment=environment, connection=connection, flow_series=flow_series, name=name or "Announced",
        metric=metric, begins=begins, ends=ends, repeats=repeats, last_day=last_day, made_by=actor,
        made_at=now,
    )  # fmt: skip
    _check(event, now)
    with transaction.atomic():
        event.save()
        _record_event(event, "anomaly.announced", actor, now)
    return event


def change(*, event: KnownEvent, actor: str, now: datetime, **fields: Any) -> KnownEvent:
    """
    Change what was announced: name, metric, begins, ends, repeats, last_day, connection.

    :raises Unacceptable: as `announce`
    """
    with transaction.atomic():
        found = KnownEvent.objects.select_for_update(of=("self",)).get(pk=event.pk)
        for name, value in fields.items():
            setattr(found, name, value)
        _check(found, now)
        found.save(update_fields=list(fields))
        _record_event(found, "anomaly.changed", actor, now)
    return found


def take_back(*, event: KnownEvent, actor: str, now: datetime) -> None:
    """Say that what was announced is not to come, or is over: whatever is unusual is told again at once."""
    with transaction.atomic():
        _record_event(event, "anomaly.taken_back", actor, now)
        event.delete()


def _check(event: KnownEvent, now: datetime) -> None:
    if event.metric not in METRICS:
        raise Unacceptable("There is no such metric.", field="metric")
    if event.flow_series and event.flow_series.series.connection_id != event.connection_id:
        raise Unacceptable("It is about a flow, and stays at its connection.", field="connection")
    try:
        calendar.check(event.known)
    except ValueError as refusal:
        raise Unacceptable(str(refusal), field="ends") from None
    if calendar.next_after(event.known, now, event.environment.workspace.zone) is None:
        raise Unacceptable("This has ended already.", field="last_day" if event.repeats else "ends")


# About a series


def choose(*, watched: Watched, key: str, sensitivity: str, actor: str, now: datetime) -> Watched:
    """
    Choose how keenly something is watched: a key of detection.KEYS, and a word of SENSITIVITIES.

    :raises Unacceptable: if there is no such key or word
    """
    _check_key(key)
    if sensitivity not in SENSITIVITIES:
        raise Unacceptable("It is watched keen, usual, calm or off.", field="sensitivity")
    with transaction.atomic():
        found: Watched = _locked(watched)
        kept = {name: word for name, word in found.sensitivity.items() if name != key}
        found.sensitivity = kept if sensitivity == "usual" else kept | {key: sensitivity}
        found.save(update_fields=["sensitivity"])
        _record(found, "anomaly.watched", actor, now, metric=key, sensitivity=sensitivity)
    return found


def as_keen_as_before(*, watched: Watched, key: str, actor: str, now: datetime) -> Watched:
    """
    Forget that people said of what goes by `key` that it is no anomaly.

    :raises Unacceptable: if there is no such key
    """
    _check_key(key)
    with transaction.atomic():
        found: Watched = _locked(watched)
        if found.state:
            found.state = detection.as_keen_as_before(found.state, key)
            found.save(update_fields=["state"])
        _record(found, "anomaly.feedback_forgotten", actor, now, metric=key)
    return found


def learn_anew(*, watched: Watched, actor: str, now: datetime) -> Watched:
    """Forget what is usual and learn it from up to four weeks of what is stored; nothing of that is told."""
    with transaction.atomic():
        found: Watched = _locked(watched)
        if isinstance(found, FlowSeries):
            flow_anomalies.learn_anew(found)
            found.save(update_fields=["state", "seen_until", "history_until"])
        else:
            anomalies.learn_anew(found)
            found.save(update_fields=["state", "seen_until"])
        _record(found, "anomaly.learnt_anew", actor, now)
    return found


def _check_key(key: str) -> None:
    if key not in detection.KEYS:
        raise Unacceptable("There is no such metric.", field="metric")


def _locked(watched: Watched) -> Any:
    """Return the row of a series for a change of it."""
    at = "series__connection" if isinstance(watched, FlowSeries) else "connection"
    rows = type(watched)._default_manager.select_related(f"{at}__environment__workspace")
    return rows.select_for_update(of=("self",)).get(pk=watched.pk)


def _fresh(watched: Watched) -> dict[str, Any]:
    return detection.fresh(detection.FLOW if isinstance(watched, FlowSeries) else detection.CONNECTION)


# What is kept of it


def _record(watched: Watched, action: str, actor: str, now: datetime, **details: str) -> None:
    if isinstance(watched, FlowSeries):
        here, target = watched.series.connection.environment, watched.flow.name
    else:
        here, target = watched.connection.environment, watched.connection.name
    _tell(here, action, target, actor=actor, now=now, details=details)


def _record_event(event: KnownEvent, action: str, actor: str, now: datetime) -> None:
    details = {
        "event": event.public_id, "from": event.begins.isoformat(), "until": event.ends.isoformat(),
        "metric": event.metric or "all", "repeats": event.repeats or "once",
    }  # fmt: skip
    target = event.connection.name if event.connection else event.name
    _tell(event.environment, action, target, actor=actor, now=now, details=details)


def _tell(
    here: Environment, action: str, target: str, *, actor: str, now: datetime, details: dict[str, str]
) -> None:
    audit.record(
        workspace=here.workspace, actor=actor, action=action, target=target, details=details, now=now
    )
    Change.objects.record(environment_id=here.pk, kind="alert", summary={}, now=now)
