import math

import pytest

from visus.vision.errors import VisusError
from visus.vision.ranges import FRACTION, NOT_NEGATIVE, POSITIVE, PROBABILITY, Range, check_ranges


@pytest.mark.parametrize(
    ("limits", "inside", "outside"),
    [
        (POSITIVE, (1e-12, 5), (0, -1, math.inf, math.nan)),
        (NOT_NEGATIVE, (0, 7), (-1e-9, math.inf, -math.inf, math.nan)),
        (PROBABILITY, (0, 0.99), (1, -0.1, math.nan)),
        (FRACTION, (0, 1), (1.01, -0.1)),
        (Range(2, 5), (2, 5), (1, 6)),
    ],
)
def test_limits(limits, inside, outside):
    assert all(limits.holds(value) for value in inside)
    assert not any(limits.holds(value) for value in outside)


def test_the_error_names_argument_value_and_range():
    ranges = {"side": Range(1, 5000), "weights": NOT_NEGATIVE}
    check_ranges("data", ranges, {"side": (1, 5000), "weights": {"a": 0}, "other": -1})
    check_ranges("data", ranges, {"side": None})
    with pytest.raises(VisusError) as caught:
        check_ranges("data", ranges, {"side": (1, 5001)})
    assert str(caught.value) == "data.side [1, 5001] must be at least 1 and at most 5,000"
    with pytest.raises(VisusError, match=r"model.weights \{'a': -1\} must be at least 0"):
        check_ranges("model", ranges, {"weights": {"a": -1}})
