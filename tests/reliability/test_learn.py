"""The trainings of the lessons in docs/learn reach what the lessons state."""

import pytest

from tests.conftest import newest_metrics
from tests.lessons import LESSONS, run_lesson
from tests.reliability.counts import SOAK

LEAST = {
    "04_classifier": ("test/accuracy", 0.96),
    "05_training": ("test/accuracy", 0.95),
    "09_segmentation": ("test/miou", 0.7),
    "10_detection": ("test/map_50", 0.25),
}
"""A metric of each lesson's last test, and a lower limit of it."""

if SOAK:

    @pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.stem)
    def test_a_lesson_as_it_is_printed(visus, lesson):
        tested = {}

        def measure(words):
            if words[0] == "test":
                tested.update(newest_metrics())

        run_lesson(lesson, visus, after=measure)
        if lesson.stem in LEAST:
            name, least = LEAST[lesson.stem]
            assert tested[name] >= least
