"""How two sides that may both change a record are merged, whatever happens in whatever order."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.agreeing.agreement import Agreement, Written
from flows.agreeing.merging import Line, Verdict, agree, give_way, is_unchanged, judge, newest
from flows.agreeing.sameness import kept, mark, same
from flows.agreeing.swinging import remembered, swings

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
NAME = Line("Account.Name", ("customer.name",), "Account.Name")
BACK = Line("customer.name", ("Account.Name",), "Account.Name")


def after(**values):
    """Return an agreement on a name."""
    agreement = Agreement(link_id=1)
    name = values["name"]
    agree(agreement, NAME, wanted=name, stored=values.get("stored", name), read=lambda _: name)
    return agreement


def verdict(agreement, line, wanted, current):
    return judge(agreement, line, wanted=wanted, current=current, read=lambda _: wanted)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (None, ""),
        ("Ada ", "Ada"),
        (Decimal("12.50"), 12.5),
        ("2026-11-24T12:00:00.000+0000", "2026-11-24T12:00:00Z"),
        ({"a": None}, None),
        ("x" * 900, kept("x" * 900)),
    ],
)
def test_what_two_systems_store_each_its_own_way_is_the_same(one, other):
    assert same(one, other)
    assert mark(one) == mark(other)


@pytest.mark.parametrize(("one", "other"), [(0, None), (False, None), ("Ada", "ada"), (True, 1), ("1", 1)])
def test_what_means_something_else_is_not_the_same(one, other):
    assert not same(one, other)


@pytest.mark.parametrize(
    ("wanted", "current", "expected"),
    [
        ("Ada", "Ada", Verdict.SAME),
        ("Bob", "Ada", Verdict.WRITE),
        ("Ada", "Bob", Verdict.LEAVE),
        ("Bob", "Bob", Verdict.MET),
        ("Bob", "Eve", Verdict.CONFLICT),
        (None, "Ada", Verdict.WRITE),
        (None, "Eve", Verdict.CONFLICT),
    ],
)
def test_only_what_the_source_alone_has_changed_is_written(wanted, current, expected):
    assert verdict(after(name="Ada"), NAME, wanted, current) is expected


@pytest.mark.parametrize(
    ("wanted", "current", "expected"),
    [
        ("Ada", None, Verdict.WRITE),
        (None, "Ada", Verdict.LEAVE),
        ("Ada", "Ada", Verdict.MET),
        ("Ada", "Bob", Verdict.CONFLICT),
    ],
)
def test_a_value_never_gives_way_to_none_the_first_time(wanted, current, expected):
    assert verdict(Agreement(), NAME, wanted, current) is expected


def test_a_text_that_was_cut_on_the_way_is_no_change_of_the_other_side():
    agreement = after(name="A very long name", stored="A very lon")

    assert is_unchanged(agreement, BACK, "A very lon", lambda _: "A very lon")
    assert verdict(agreement, BACK, "A very lon", "A very long name") is Verdict.SAME


def test_who_gives_way_leaves_a_single_change_to_the_other_direction():
    agreement = after(name="Ada")
    give_way(agreement, NAME, wanted="Bob", read=lambda _: "Bob")

    assert verdict(agreement, NAME, "Bob", "Eve") is Verdict.LEAVE
    assert verdict(agreement, BACK, "Eve", "Bob") is Verdict.WRITE


def test_a_changed_mapping_writes_what_it_gives_now_though_nobody_changed_anything():
    agreement = Agreement(link_id=1)
    agree(agreement, NAME, wanted="ada", stored="ada", read=lambda _: "Ada")

    assert judge(agreement, NAME, wanted="ADA", current="ada", read=lambda _: "Ada") is Verdict.WRITE


@pytest.mark.parametrize(
    ("stripe", "salesforce", "expected"),
    [(0, 300, "salesforce"), (300, 0, "stripe"), (60, 0, "close"), (None, 0, "unknown")],
)
def test_the_newest_change_wins_unless_clocks_cannot_tell(stripe, salesforce, expected):
    def moment(seconds):
        return None if seconds is None else NOON + timedelta(seconds=seconds)

    found = newest(stripe=moment(stripe), salesforce=moment(salesforce), skew=timedelta(seconds=120))

    assert found == expected


def written(values, *, every=timedelta(seconds=5)):
    return [Written(NOON + every * place, "Account.Name", mark(value)) for place, value in enumerate(values)]


def would_swing(values, next_one, *, every=timedelta(seconds=5)):
    past = written(values, every=every)
    return swings(
        past, "Account.Name", mark(next_one), most=6, within=timedelta(minutes=10), now=past[-1].at + every
    )


def test_two_values_that_take_turns_are_held_at_the_write_that_is_one_too_many():
    assert not would_swing("ABABA", "B")
    assert would_swing("ABABAB", "A")


def test_a_value_that_something_undoes_again_and_again_is_held_too():
    assert would_swing("AAAAAA", "A")


def test_fast_edits_are_let_through_however_many_they_are():
    assert not would_swing([f"edit {number}" for number in range(30)], "edit 30")
    assert not would_swing("ABCABCABC", "A")


def test_turns_that_take_their_time_are_no_loop():
    assert not would_swing("ABABAB", "A", every=timedelta(minutes=5))


# Two sides and two flows, in memory

_EDITS = st.lists(
    st.tuples(
        st.sampled_from(["stripe", "salesforce", "forward", "back"]),
        st.sampled_from(["name", "phone"]),
        st.sampled_from(["Ada", " Ada", "A very long name", "Bob", None]),
    ),
    max_size=40,
)
_FIELDS = ("name", "phone")


class TwoSides:
    """Both systems, with the agreement of a link, and the flows of both directions."""

    def __init__(self, policy):
        self.policy = policy
        self.sides = {"stripe": dict.fromkeys(_FIELDS), "salesforce": dict.fromkeys(_FIELDS)}
        self.agreement = Agreement(link_id=1)
        self.writes = 0

    def set(self, side, field, value):
        """Store `value` as the system does: Salesforce trims and cuts."""
        stored = value.strip()[:8] if side == "salesforce" and value else value
        self.sides[side][field] = stored

    def run(self, source, target):
        """Carry over what `source` has changed, as the writing step does."""
        for field in _FIELDS:
            wanted, current = self.sides[source][field], self.sides[target][field]
            line = Line(f"{target}.{field}", (f"{source}.{field}",), f"salesforce.{field}")
            found = judge(self.agreement, line, wanted=wanted, current=current, read=lambda _, v=wanted: v)
            if found is Verdict.CONFLICT:
                found = Verdict.WRITE if self.policy == source else None
            if found is None:
                give_way(self.agreement, line, wanted=wanted, read=lambda _, v=wanted: v)
            elif found is Verdict.WRITE:
                self.set(target, field, wanted)
                self.writes += 1
                current = self.sides[target][field]
            if found in (Verdict.WRITE, Verdict.MET):
                agree(self.agreement, line, wanted=wanted, stored=current, read=lambda _, v=wanted: v)

    def deliver(self):
        """Let both flows see everything, until neither writes."""
        for _ in range(4):
            before = self.writes
            self.run("stripe", "salesforce")
            self.run("salesforce", "stripe")
            if self.writes == before:
                return
        raise AssertionError("The flows do not come to rest")


@given(edits=_EDITS, policy=st.sampled_from(["stripe", "salesforce"]))
@settings(deadline=None, max_examples=150)
def test_both_sides_agree_in_the_end_and_then_are_silent(edits, policy):
    world = TwoSides(policy)
    changes = 0
    for what, field, value in edits:
        if what == "forward":
            world.run("stripe", "salesforce")
        elif what == "back":
            world.run("salesforce", "stripe")
        else:
            changes += world.sides[what][field] != value
            world.set(what, field, value)
    world.deliver()

    for field in _FIELDS:
        stripe, salesforce = world.sides["stripe"][field], world.sides["salesforce"][field]
        assert same(stripe.strip()[:8] if stripe else stripe, salesforce), (field, edits)
    assert world.writes <= 2 * changes


@given(st.lists(st.sampled_from("AB"), max_size=120))
def test_only_the_last_writes_are_remembered(values):
    assert len(remembered([], written(values))) <= 40
