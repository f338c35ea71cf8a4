"""Durations on the command line."""

from argparse import ArgumentTypeError

import pytest

from visus.vision.durations import parse_seconds


@pytest.mark.parametrize(
    ("text", "seconds"), [("500ms", 0.5), ("2s", 2.0), ("1.5m", 90.0), ("8h", 28_800.0)]
)
def test_a_number_and_a_unit(text, seconds):
    assert parse_seconds(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "2", "0s", "-1s", "soon", "infs", "nanh", "1d"])
def test_what_is_not_a_duration_is_refused(text):
    with pytest.raises(ArgumentTypeError, match="write a number and a unit"):
        parse_seconds(text)
