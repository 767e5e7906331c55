"""
This module watches the number of charges: drops, outages and spikes, against the usual of the hour.

Single bins go wild without any meaning, so a spike needs three bins of four. A rise or a fall that sets in
with the day is the calendar's (a promotion, a holiday): from then on the day is judged by its own level.
It is pure.
"""

from __future__ import annotations

from monitoring.detection.bins import PER_HOUR, Instant, State
from monitoring.detection.counts import band, evidence, surprise
from monitoring.detection.shares import NOTHING, Look
from monitoring.detection.usual import expect, follow, remember

DROP, SPIKE = 0.55, 1.8  # times as many charges, looked for since it may have begun
DROP_LIMIT, SPIKE_LIMIT = 10.0, 12.0
Z_DROP, Z_SPIKE, Z_STILL = 4.7, 5.6, 2.5
MOST = 2.5  # times what is usual: no bin counts for more, when many are looked at
SILENCE = 15.0  # charges that should have come since the last one
RING = 72
DAY_BEGAN = 24  # bins within which a change that came with the day has to be known
HOLDS = 6  # bins for which an error of what is expected is taken to hold
FADES = 0.5 ** (1 / 36)  # of a day's own level: half of it is what the last three hours say
MEANT = 5.0  # nats by which the midnight may be a worse beginning than the best one


def fresh() -> State:
    """Return the state in which nothing is known."""
    return {
        "hours": [[] for _ in range(168)], "level": 1.0, "phi": 1.5, "slot": None, "acc": [0.0, 0.0, 0.0, 0],
        "mean": None, "off": 0.35, "down": 0.0, "up": 0.0, "ring": [], "silent": 0.0, "day": None,
        "skip": False,
    }  # fmt: skip


def enter(volume: State, now: Instant) -> State:
    """Return the state with what is expected at `now`, and with the last hour learnt if it is over."""
    today = now.local.toordinal()
    if volume["day"] is None or volume["day"][0] != today:
        was_special = volume["day"] is not None and volume["day"][1] != 1.0
        volume = {**volume, "day": [today, 1.0, 0.0, 0.0]}
        if was_special:
            volume |= {"ring": [], "down": 0.0, "up": 0.0}
    slot = now.hour_of_week
    if volume["slot"] == slot:
        return volume
    raw, seen, mean, bins = volume["acc"]
    if volume["slot"] is not None and bins >= PER_HOUR - 2 and not volume["skip"]:
        volume = {**volume, "hours": remember(volume, volume["slot"], raw / bins)}
        if mean > 0:
            volume["level"] = follow(volume["level"], seen, mean)
    usual = expect(volume["hours"], slot, level=volume["level"], dispersion=volume["phi"])
    told = {"mean": usual.mean, "off": usual.off} if usual else {"mean": None, "off": 0.35}
    return {**volume, **told, "slot": slot, "acc": [0.0, 0.0, 0.0, 0], "skip": False}


def expected(volume: State) -> float | None:
    """Return how many charges are expected in the present bin."""
    return None if volume["mean"] is None else volume["mean"] * volume["day"][1]


def look(
    volume: State, count: float, now: Instant, *, extra: tuple[float, float], settled: bool, words: str
) -> tuple[State, Look, Look]:
    """
    Return the state after a bin with `count` charges, and what it shows of a drop and of a spike.

    `extra` are standard deviations that each of the two takes more; `words` is what is counted.
    """
    mean = expected(volume)
    if mean is None:
        return volume, NOTHING, NOTHING
    phi = volume["phi"]
    ring = [*volume["ring"][-(RING - 1) :], [count, mean]]
    low, high = (((4.5 + more) / 4.5) ** 2 for more in extra)
    unsure = phi + HOLDS * volume["off"] ** 2 * mean
    down = volume["down"] + evidence(count, mean, DROP, unsure)
    up = volume["up"] + evidence(min(count, MOST * mean), mean, SPIKE, unsure)
    after = {
        **volume, "ring": ring, "silent": 0.0 if count else volume["silent"] + mean,
        "down": min(max(down, 0.0), 1.5 * DROP_LIMIT * low),
        "up": min(max(up, 0.0), 1.5 * SPIKE_LIMIT * high),
    }  # fmt: skip
    fall, rise = _fall(after, extra[0], low, words), _rise(after, extra[1], high, words)
    if settled and (fall.unusual or rise.unusual) and fall.kind != "outage":
        if volume["day"][1] != 1.0 and _is_usual_again(after):
            return _with_level(after, 1.0), NOTHING, NOTHING
        if _came_with_the_day(ring, now, DROP if fall.unusual else SPIKE):
            seen, usual = _sums(ring, now.bin_of_day + 1)
            return _with_level(after, volume["day"][1] * seen / usual), NOTHING, NOTHING
    return after, fall, rise


def learn(volume: State, count: float, *, settled: bool) -> State:
    """Return the state that knows this usual bin, too."""
    raw, seen, usual, bins = volume["acc"]
    mean = expected(volume)
    if mean is None or not settled:
        return {**volume, "acc": [raw + count, 0.0, 0.0, bins + 1]}
    day, factor, own, of = volume["day"]
    if factor != 1.0:
        own, of = own * FADES + min(count, MOST * mean), of * FADES + volume["mean"]
        factor = own / of
    kept = min(count, 2.0 * mean + 3.0)
    off = min((count - mean) ** 2 / mean, 9.0)
    phi = min(max(volume["phi"] + (off - volume["phi"]) / 500, 1.0), 3.0)
    return {**volume, "phi": phi, "acc": [raw + kept, seen + kept, usual + mean, bins + 1],
            "skip": volume["skip"] or factor != 1.0, "day": [day, factor, own, of]}  # fmt: skip


def pass_over(volume: State) -> State:
    """Return the state that will not learn the present hour."""
    return {**volume, "skip": True}


def _fall(volume: State, extra: float, stricter: float, words: str) -> Look:
    ring, phi, off = volume["ring"], volume["phi"], volume["off"]
    best, lasts = (0.0, 0.0, 0.0), False
    for window in (2, 3, 6, 12, 24):
        seen, usual = _sums(ring, window)
        z = surprise(seen, usual, phi + off * off * usual)
        lasts = lasts or (z <= -Z_STILL and window < 12)
        if seen < (0.12 if window == 2 else 0.7) * usual and z < best[0]:
            best = (z, seen, usual)
    _, seen, usual = best
    silent = volume["silent"] >= SILENCE * stricter and not any(count for count, _ in ring[-2:])
    if best[0] <= -(Z_DROP + extra) or volume["down"] >= DROP_LIMIT * stricter or silent:
        if not usual:
            seen, usual = _sums(ring, 12)
        near, of = _sums(ring, 2)
        kind = "outage" if not ring[-1][0] or near < 0.12 * of else "volume_drop"
        z = best[0] or surprise(seen, usual, phi)
        what = f"{seen:,.0f} {words} came" if seen else f"No {words} came"
        return _found(kind, what, z, seen=seen, usual=usual, phi=phi)
    return Look(unusual=False, lasts=lasts or volume["down"] >= 0.4 * DROP_LIMIT)


def _rise(volume: State, extra: float, stricter: float, words: str) -> Look:
    ring, phi, off = volume["ring"], volume["phi"], volume["off"]
    high = sum(count > 1.55 * mean for count, mean in ring[-4:])
    seen, usual = _sums(ring, 3, MOST)
    z = surprise(seen, usual, phi + off * off * usual)
    strong = z >= Z_SPIKE + extra and seen > 1.5 * usual
    if high >= 3 and ring[-1][0] > 1.2 * ring[-1][1] and (strong or volume["up"] >= SPIKE_LIMIT * stricter):
        told, of = _sums(ring, 3)
        return _found("volume_spike", f"{told:,.0f} {words} came", max(z, 0.0), seen=told, usual=of, phi=phi)
    lasts = (z >= Z_STILL and high >= 2) or volume["up"] >= 0.4 * SPIKE_LIMIT
    return Look(unusual=False, lasts=lasts)


def _found(kind: str, what: str, z: float, *, seen: float, usual: float, phi: float) -> Look:
    lo, hi = band(usual, phi)
    return Look(True, True, kind, z, seen, usual, lo, hi, f"{what} where about {usual:,.0f} are usual.")


def _sums(ring: list[list[float]], window: int, most: float = 0.0) -> tuple[float, float]:
    last = ring[-window:]
    seen = sum(min(count, most * mean) if most else count for count, mean in last)
    return seen, sum(mean for _, mean in last)


def _came_with_the_day(ring: list[list[float]], now: Instant, times: float) -> bool:
    """Tell whether the change fits a beginning at midnight, or nearly so, as well as any other."""
    since = now.bin_of_day + 1
    if since > DAY_BEGAN * 2 or since > len(ring):
        return False
    total, sums = 0.0, []
    for count, mean in reversed(ring):
        total += evidence(min(count, MOST * mean), mean, times)
        sums.append(total)
    return sums[since - 1] >= max(sums) - MEANT


def _is_usual_again(volume: State) -> bool:
    """Tell whether the last bins fit a day like any other, though the day began as a special one."""
    factor = volume["day"][1]
    seen, usual = _sums(volume["ring"], 6)
    return abs(surprise(seen, usual / factor, 2.0 * volume["phi"])) < 3.0


def _with_level(volume: State, factor: float) -> State:
    """Return the state in which the day is judged by its own level."""
    day = [volume["day"][0], factor, 12 * factor * volume["mean"], 12 * volume["mean"]]
    return {**volume, "day": day, "ring": [], "down": 0.0, "up": 0.0, "skip": True}
