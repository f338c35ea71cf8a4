"""Plans for time budgets, from measurements."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from visus.apps.training.budget.plan import Candidate, Measured
from visus.apps.training.budget.planner import make_plan
from visus.tasks.budget import BudgetChoices

SMALL, MEDIUM, LARGE = (Candidate("a", (side, side)) for side in (128, 192, 256))
BIGGER = Candidate("b", (256, 256))
CHOICES = BudgetChoices((0.5, 0.75, 1.0), ("a", "b"), epochs=10, fits_head=True, grows=True)
TIMES = {SMALL: 0.01, MEDIUM: 0.02, LARGE: 0.04, BIGGER: 0.06}


def plan(seconds, choices=CHOICES, samples=800, times=TIMES, val=200, batch_size=32, classes=5):
    return make_plan(Measured(samples, val, classes, batch_size, times), choices, seconds)


def row(planned, setting):
    return next(each for each in planned.rows if each.setting == setting)


def test_more_time_buys_larger_inputs_then_a_larger_backbone():
    chosen = [plan(seconds).candidate for seconds in (110, 200, 400, 1000)]
    assert chosen == [SMALL, MEDIUM, LARGE, BIGGER]
    assert row(plan(200), "input size").value == "192 x 192"


def test_a_large_data_set_needs_as_many_samples_as_a_small_one():
    assert plan(1000, samples=10_000).candidate == plan(1000, samples=1000).candidate == BIGGER
    assert plan(1000, samples=10_000).views == 0
    assert "1 needed" in row(plan(500, samples=10_000), "backbone").reason


def test_many_classes_need_more_samples():
    few, many = (plan(1000, samples=20_000, classes=n) for n in (5, 1000))
    assert few.candidate == BIGGER and many.candidate == LARGE


def test_where_loading_takes_the_time_the_input_is_large():
    loading = {SMALL: 0.1, MEDIUM: 0.11, LARGE: 0.12, BIGGER: 0.2}
    assert plan(300, BudgetChoices((0.5, 1.0), epochs=10), times=loading).candidate == LARGE


def test_the_last_validation_is_the_one_at_the_end():
    for seconds in (30, 110, 400, 1000):
        planned = plan(seconds, val=50)
        steps = 0.95 * seconds / (TIMES[planned.candidate] * planned.batch_size)
        if len(planned.growth) > 1:
            # Of a third and two thirds of the pixels for 30 % of the time each.
            steps *= 0.3 / 0.6**2 + 0.3 / 0.8**2 + 0.4
        assert planned.validations - 1 < steps / planned.validation_interval < planned.validations


def test_a_part_of_many_validation_samples_is_validated():
    parts = replace(CHOICES, validates_part=True)
    planned = plan(400, parts, val=100_000)
    assert planned.validations == 1 and planned.validated == 0.05 * 400 / (TIMES[LARGE] / 2) == 1000
    assert "spread over 100,000" in row(planned, "validations").reason
    # Too few would say nothing, and metrics of pairs or clips need all.
    assert plan(30, parts, val=100_000).validated == 200
    assert plan(400, val=100_000).validated == 100_000 and plan(400, parts).validated == 200


def test_time_for_loading_is_planned():
    measured = Measured(800, 200, 5, 32, TIMES, load_seconds=0.5)
    planned = make_plan(measured, CHOICES, 400)
    assert planned.validations == 1 and planned.head_samples == 120
    # Features of one view of all images would take 400 s alone.
    assert make_plan(measured, CHOICES, 100).views == 0


def test_features_are_planned_in_float32():
    counts, views = [], []
    for speed_up in (1.0, 3.0):
        measured = Measured(80_000, 200, 5, 32, TIMES, 0.0, speed_up)
        counts.append(make_plan(measured, CHOICES, 600).head_samples)
        few = Measured(800, 200, 5, 32, {LARGE: 0.1}, 0.0, speed_up)
        views.append(make_plan(few, CHOICES, 200).views)
    assert 0 < 2.9 * counts[1] < counts[0] and 0 < 2 * views[1] < views[0]
    measured = Measured(800, 200, 5, 32, TIMES, 0.0, 1.5)
    assert "1.50 times" in row(make_plan(measured, CHOICES, 600), "precision").reason


def test_tiny_images_do_not_grow():
    tiny = {Candidate("a", (64, 64)): 0.01}
    assert plan(600, times=tiny).growth == ((0.0, 1.0),)


def test_crops_are_listed_and_validations_are_of_whole_images():
    cropped = Candidate("a", (256, 256), (128, 128))
    whole, crops = (plan(800, times={each: 0.04}, val=400) for each in (LARGE, cropped))
    assert row(crops, "training crops").value == "128 x 128"
    assert not any(each.setting == "training crops" for each in whole.rows)
    counts = [int(row(each, "validations").value) for each in (whole, crops)]
    assert counts[0] >= 3 * counts[1] > 0


def test_small_data_sets_have_smaller_batches():
    assert [plan(60, samples=n).batch_size for n in (10_000, 800, 400, 100)] == [32, 32, 16, 8]


def test_the_head_is_fitted_to_as_many_features_as_a_part_of_the_time_allows():
    assert plan(600).head_samples == 800
    assert 0 < plan(600, samples=100_000).head_samples < 30_000
    assert plan(600, BudgetChoices()).head_samples == 0


def test_a_short_training_is_that_of_the_head_alone_on_features():
    short = plan(60)
    assert short.candidate == LARGE and 1 <= short.views <= 8 and not short.head_samples
    assert row(short, "layers").value == "the head alone"
    assert plan(110).views == 0
    assert plan(60, BudgetChoices()).views == 0
    assert plan(5).views == 0, "no time even for that"


def test_images_grow_only_where_there_are_epochs_for_it():
    assert len(plan(600).growth) == 3
    assert plan(60, samples=20_000).growth == ((0.0, 1.0),)
    assert plan(600, BudgetChoices()).growth == ((0.0, 1.0),)


@given(
    st.floats(5, 1e5), st.integers(2, 10**7), st.integers(1, 10**6), st.floats(1e-4, 5),
    st.integers(1, 64),
)  # fmt: skip
def test_every_plan_is_complete(seconds, samples, val, each, batch_size):
    times = {SMALL: each, MEDIUM: 2 * each, LARGE: 4 * each}
    planned = plan(seconds, CHOICES, samples, times, val, batch_size)
    assert planned.candidate in times
    assert 1 <= planned.batch_size <= batch_size
    assert planned.validation_interval >= 1
    assert 0 <= planned.head_samples <= samples
    assert 0 <= planned.averaged < 1
    assert planned.growth[0][0] == 0 and planned.growth[-1][1] == 1
    assert all(cell for each_row in planned.rows for cell in
               (each_row.setting, each_row.value, each_row.reason))  # fmt: skip
