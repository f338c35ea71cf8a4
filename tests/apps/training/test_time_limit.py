"""`max_time` includes the last validation."""

from datetime import timedelta
from types import SimpleNamespace

import pytest
from pytorch_lightning.callbacks import Timer

from visus.apps.training.time_limit import ValidationAwareTimer, replace_timers
from visus.tasks.optimisation import training_position


@pytest.fixture
def clock(monkeypatch):
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr("time.monotonic", lambda: clock.now)
    return clock


def trainer():
    broadcast = SimpleNamespace(broadcast=lambda value: value)
    return SimpleNamespace(
        sanity_checking=True, num_sanity_val_batches=[2], num_val_batches=[10],
        should_stop=False, strategy=broadcast, callbacks=[], world_size=1,
    )  # fmt: skip


def validate(timer, state, clock, seconds):
    timer.on_validation_start(state, None)
    clock.now += seconds
    timer.on_validation_end(state, None)


def train(timer, state, clock, limit):
    """Seconds of training until the timer stops it."""
    started = clock.now
    while not state.should_stop and clock.now - started < 2 * limit:
        timer.on_train_batch_start(state, None, None, 0)
        clock.now += 1
        timer.on_train_batch_end(state, None, None, None, 0)
    return clock.now - started


def test_the_schedule_starts_with_the_first_step(clock):
    timer, state = ValidationAwareTimer(Timer(timedelta(seconds=60))), trainer()
    state.callbacks = [timer]
    state.max_steps, state.max_epochs, state.num_training_batches = -1, -1, 10
    state.fit_loop = state.global_step = None
    timer.on_fit_start(state, None)
    assert training_position(state) == (0, 1000)
    # Checks and measurements take ten seconds.
    clock.now += 10
    assert training_position(state) == (0, 1000)
    timer.on_train_start(state, None)
    timer.on_train_batch_start(state, None, None, 0)
    clock.now += 5
    assert training_position(state) == (100, 1000)
    # A resumed training continues where it was.
    resumed = ValidationAwareTimer(Timer(timedelta(seconds=60)))
    resumed.load_state_dict(timer.state_dict())
    resumed.on_fit_start(state, None)
    resumed.on_train_start(state, None)
    resumed.on_train_batch_start(state, None, None, 0)
    state.callbacks = [resumed]
    assert training_position(state) == (100, 1000)


def test_all_processes_follow_the_clock_of_the_first(clock):
    """Two timers, the second of which starts later and saves a checkpoint in between."""
    sent = []

    def receive(value):
        return sent[-1]

    def send(value):
        sent.append(value)
        return value

    timers, states = [], []
    for broadcast in (send, receive):
        timers.append(ValidationAwareTimer(Timer(timedelta(seconds=60))))
        state = trainer()
        state.world_size, state.callbacks = 2, [timers[-1]]
        state.strategy.broadcast = broadcast
        state.max_steps, state.max_epochs, state.num_training_batches = -1, -1, 10
        state.fit_loop = state.global_step = None
        states.append(state)
        timers[-1].on_fit_start(state, None)
        clock.now += 0.7
    for step in range(4):
        for hook in ("on_train_batch_start", "on_train_batch_end"):
            for timer, state in zip(timers, states, strict=True):
                if hook == "on_train_batch_start" and step == 0:
                    timer.on_train_start(state, None)
                getattr(timer, hook)(state, None, None, None, 0)
                clock.now += 0.3
        positions = {training_position(state) for state in states}
        assert len(positions) == 1, positions
        assert timers[1].state_dict()["time_elapsed"]["train"] > 0
        assert {training_position(state) for state in states} == positions


def test_training_and_its_last_validation_take_the_limit_together(clock):
    timer, state = ValidationAwareTimer(Timer(timedelta(seconds=60))), trainer()
    timer.on_fit_start(state, None)
    # Two of ten batches take four seconds: the validation will take twenty.
    validate(timer, state, clock, 4)
    state.sanity_checking = False
    timer.on_train_start(state, None)
    assert train(timer, state, clock, 60) == 60 - 4 - 20
    # What is left for the schedule of the learning rate ends with the training.
    assert timer.time_remaining() == 0
    # The validation of an epoch is a better measure than the first few batches.
    timer, state.should_stop = ValidationAwareTimer(Timer(timedelta(seconds=60))), False
    timer.on_fit_start(state, None)
    timer.on_train_start(state, None)
    validate(timer, state, clock, 10)
    assert train(timer, state, clock, 60) == 40


def test_a_run_without_a_limit_or_validation_is_not_cut(clock):
    timer, state = ValidationAwareTimer(Timer(None)), trainer()
    timer.on_train_start(state, None)
    assert timer.time_remaining() is None and train(timer, state, clock, 60) == 120
    timer, state = ValidationAwareTimer(Timer(timedelta(seconds=60))), trainer()
    timer.on_train_start(state, None)
    assert train(timer, state, clock, 60) == 60


def test_the_timer_of_lightning_is_replaced_and_its_state_is_read(visus, monkeypatch):
    old = Timer(timedelta(seconds=60))
    other = object()
    new, kept = replace_timers([old, other])
    assert type(new) is ValidationAwareTimer and kept is other and new.state_key == old.state_key
    used = []
    monkeypatch.setattr(ValidationAwareTimer, "on_train_start", lambda *_: used.append(True))
    tiny = ("--model.backbone", "lenet5", "--data.count", "16", "--data.num_workers", "0")
    limits = ("--trainer.max_epochs", "1", "--trainer.max_time", "00:01:00:00")
    assert visus("fit", "--config", "classification/scenes", *tiny, *limits)[0] == 0
    assert used == [True]
