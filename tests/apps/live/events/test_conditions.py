"""Conditions: their grammar, their values for every kind of prediction, and when they trigger."""

from argparse import ArgumentTypeError
from dataclasses import dataclass
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from visus.apps.inference.combined import CombinedPrediction
from visus.apps.live.events.conditions import Trigger, parse_condition
from visus.vision.errors import VisusError
from visus.vision.prediction import Item


@dataclass
class Items:
    entries: list

    def items(self):
        return self.entries


def test_a_condition_is_a_label_a_comparison_a_number_and_a_duration():
    condition = parse_condition(" traffic light >= .5  for 1.5s ")
    assert (condition.label, condition.comparison) == ("traffic light", ">=")
    assert (condition.limit, condition.seconds) == (0.5, 1.5)
    assert condition.text == "traffic light >= .5  for 1.5s"
    assert parse_condition("a<1").seconds == 0
    assert parse_condition("waiting for bus > 0.5").label == "waiting for bus"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("person", "'person' is not a condition; write LABEL > NUMBER"),
        ("> 0.5", "is not a condition"),
        ("person > high", "is not a condition"),
        ("person = 0.5", "is not a condition"),
        ("person > 0.5 since 2s", "is not a condition"),
        ("person > 50", "50 is not between 0 and 1"),
        ("person > nan", "is not a condition"),
        ("person > 0.5 for 2", "'2' is not a duration"),
    ],
)
def test_what_is_no_condition_is_refused(text, words):
    with pytest.raises(ArgumentTypeError) as held:
        parse_condition(text)
    assert words in str(held.value)


def test_the_value_is_the_highest_score_of_the_label():
    found = Items(
        [Item("cat", 0.4), Item("dog", 0.9), Item("cat", 0.6), Item("road", float("nan"))]
    )
    value = {label: parse_condition(f"{label} > 0").value(found) for label in ("cat", "cow", "any")}
    assert value == {"cat": 0.6, "cow": 0.0, "any": 1.0}
    # What has no score has an area.
    area = Items([Item("road", float("nan"), None, {"area": 0.25})])
    assert parse_condition("road > 0").value(area) == 0.25
    both = CombinedPrediction(("a", "b"), (found, area))
    assert parse_condition("cat > 0").value(both) == 0.6
    assert parse_condition("cat > 0").value(object()) == 0.0


def test_unknown_labels_are_named_with_near_ones():
    labels = ("person", "cat", "dog", "cow", "horse", "sheep")
    parse_condition("person > 0").check_label(labels)
    parse_condition("any > 0").check_label(())
    with pytest.raises(VisusError, match="no label 'persom'; did you mean person"):
        parse_condition("persom > 0").check_label(labels)
    with pytest.raises(
        VisusError, match=r"the labels are any, person, cat, dog, cow, horse, \.\.\."
    ):
        parse_condition("zzz > 0").check_label(labels)


def events(text, values, cooldown=0.0, step=0.1):
    trigger = Trigger(parse_condition(text), cooldown)
    return [i for i, value in enumerate(values) if trigger.update(value, i * step)]


def test_an_event_needs_the_duration_without_a_gap():
    held = [1.0] * 30
    assert events("a > 0.5", held) == [0]
    assert events("a > 0.5 for 2s", held) == [20]
    assert events("a > 0.5 for 2s", [1.0] * 15 + [0.0] + [1.0] * 30) == [36]
    # Absence is a condition too.
    assert events("a < 0.5 for 1s", [0.0] * 15) == [10]


def test_the_next_event_needs_the_condition_to_fail_and_the_cooldown_to_pass():
    assert events("a > 0.5", [1.0] * 100, cooldown=1.0) == [0]
    on_off = [1.0, 0.0] * 50
    assert events("a > 0.5", on_off, cooldown=1.0) == [0, 10, 20, 30, 40, 50, 60, 70, 80, 90]
    # It failed during the cool-down, and holds when that ends.
    assert events("a > 0.5", [1.0, 0.0] + [1.0] * 50, cooldown=1.0) == [0, 10]


def test_an_interruption_does_not_count():
    trigger = Trigger(parse_condition("a > 0.5 for 2s"), 0.0)
    assert not trigger.update(1.0, 0.0)
    trigger.interrupt()
    assert not trigger.update(1.0, 60.0)
    assert trigger.update(1.0, 62.0)


@given(st.lists(st.floats(0, 1), max_size=200), st.floats(0, 3), st.floats(0, 5))
def test_events_keep_their_distance_and_are_true(values, seconds, cooldown):
    condition = parse_condition(f"a > 0.5 for {max(seconds, 0.001):.3f}s")
    trigger = Trigger(condition, cooldown)
    found = [i for i, value in enumerate(values) if trigger.update(value, i / 10)]
    for i in found:
        first = max(0, i - int(10 * condition.seconds - 0.02))
        assert all(value > 0.5 for value in values[first : i + 1])
    for before, after in pairwise(found):
        assert (after - before) / 10 >= cooldown - 1e-9
        assert min(values[before:after]) <= 0.5
