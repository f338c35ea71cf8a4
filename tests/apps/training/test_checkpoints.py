"""Runs that are resumed, and checkpoints that start others."""

import itertools
import json
from pathlib import Path

import pytest
import torch

from tests.apps.training.test_configs import SMALL, TINY
from tests.conftest import (
    newest,
    newest_metrics,
    save_scene,
)
from visus.apps.training.budget import clock
from visus.apps.training.callbacks import BestCheckpoint
from visus.apps.training.reporting import RunReport
from visus.tasks.checkpoint_files import write_checkpoint


def fit_scenes(visus, *more):
    return visus(
        *("fit", "--config", "classification/scenes", *TINY, "--trainer.max_epochs", "2"),
        *("--data.count", "32", "--data.num_workers", "0", *more),
    )


def test_equal_seeds_give_equal_runs(visus):
    losses = []
    for seed in ("1", "1", "2"):
        assert fit_scenes(visus, "--seed_everything", seed)[0] == 0
        losses.append(newest_metrics()["val/loss"])
    assert losses[0] == losses[1] != losses[2]


def test_a_run_is_resumed(visus):
    assert fit_scenes(visus)[0] == 0
    last = newest("runs/*/*/*/last.ckpt")
    code, out, err = fit_scenes(visus, "--trainer.max_epochs", "3", "--resume", last)
    assert code == 0, err
    assert "epoch 3/3" in out and "epoch 2/3" not in out
    # Without a name the latest run is resumed.
    code, out, err = visus("fit", "--resume", "--trainer.max_epochs", "4")
    assert code == 0 and "epoch 4/4" in out and "epoch 3/4" not in out, err


def test_an_interrupted_run_is_resumed_as_it_was_started(visus):
    sgd = ("--optimizer", "SGD", "--optimizer.lr", "0.01")
    assert fit_scenes(visus, *sgd, "--trainer.max_epochs", "3")[0] == 0
    expected = newest_metrics()["val/loss"]
    assert fit_scenes(visus, *sgd, "--trainer.max_epochs", "3", "--trainer.max_steps", "1")[0] == 0
    run = newest("runs/*/*/*/last.ckpt").parent
    content = torch.load(run / "last.ckpt", weights_only=True)
    # As if it had been stopped after its first epoch.
    content["visus"]["training"]["trainer"]["max_steps"] = -1
    torch.save(content, run / "last.ckpt")
    (run / "metrics.json").unlink()
    code, out, err = visus("fit", "--resume", run)
    assert code == 0 and "epoch 3/3" in out, err
    assert newest_metrics()["val/loss"] == pytest.approx(expected, rel=1e-6)


def test_other_arguments_than_those_of_the_run_are_refused(visus):
    assert fit_scenes(visus)[0] == 0
    last = newest("runs/*/*/*/last.ckpt")
    code, _, err = fit_scenes(visus, "--resume", last, "--model.learning_rate", "0.5")
    assert code == 2
    assert "learning_rate 0.5" in err and "0.004" in err


def test_saving_takes_a_small_part_of_a_training_with_short_epochs(visus, monkeypatch):
    ticks, saved = itertools.count(), []

    def save(checkpoint, path):
        for _ in range(100):
            next(ticks)
        saved.append(path.name)
        write_checkpoint(checkpoint, path)

    monkeypatch.setattr(clock, "now", lambda: float(next(ticks)))
    monkeypatch.setattr("visus.apps.training.last_checkpoint.write_checkpoint", save)
    epochs = ("--trainer.max_epochs", "6", "--trainer.check_val_every_n_epoch", "6")
    assert fit_scenes(visus, *epochs)[0] == 0
    # After the first epoch, before the validation, and at the end.
    assert saved.count("last.ckpt") == 3
    state = torch.load(newest("runs/*/*/*/last.ckpt"), weights_only=True)
    assert state["loops"]["fit_loop"]["epoch_progress"]["current"]["processed"] == 6


def test_initial_weights_come_from_another_run(visus, tmp_path):
    assert fit_scenes(visus, "--trainer.max_epochs", "1")[0] == 0
    run = newest("runs/*/*/*/best.ckpt").parent
    reached = json.loads((run / "metrics.json").read_text())["metrics"]["val/loss"]
    still = ("--model.learning_rate", "1e-12", "--trainer.max_epochs", "1")
    code, _, err = fit_scenes(visus, *still, "--init-from", run)
    assert code == 0 and "--init-from" not in err, err
    assert newest_metrics()["val/loss"] == pytest.approx(reached, rel=1e-4)
    assert fit_scenes(visus, *still)[0] == 0
    assert newest_metrics()["val/loss"] != pytest.approx(reached, rel=1e-4)
    # Other classes have a last layer of their own.
    for i in range(8):
        save_scene(tmp_path / "photos" / ("ant" if i % 2 else "bee") / f"{i}.png", i)
    own = ("fit", "--config", "classification/custom", *SMALL, "--data.root", tmp_path / "photos")
    own = (*own, *("--data.image_size", "[64,64]", "--data.num_workers", "0"))
    code, _, err = visus(*own, "--data.batch_size", "4", "--init-from", "latest")
    assert code == 0, err
    assert err.count("network.") == 2 and "keep their random initial values" in err


def test_initial_weights_that_do_not_match_are_refused(visus):
    assert fit_scenes(visus)[0] == 0
    run = newest("runs/*/*/*/best.ckpt").parent
    for more, message in (
        (("--init-from", "none.ckpt"), "none.ckpt"),
        (("--init-from", run, "--resume", run), "leave one of the two out"),
        (("--init-from", "face3d"), "is of task 'face3d'; use a model of task 'classif"),
        (("--init-from", run, "--model.backbone", "convnet"), "with (--model.backbone lenet5)"),
        (("--init-from", "digits"), "digits"),
    ):
        code, _, err = fit_scenes(visus, *more)
        assert code == 2 and message in err, err
    assert len(list(Path().glob("runs/*/*/*"))) == 1
    code, _, err = visus("test", run, "--init-from", run)
    assert code == 2 and "leave one of the two out" in err


def test_a_moved_run_keeps_its_best_metric(tmp_path):
    before = BestCheckpoint(tmp_path / "old", "best", "val/accuracy", mode="max")
    before.best_model_score = before.kth_value = torch.tensor(0.9)
    before.best_model_path = before.kth_best_model_path = f"{before.dirpath}/best.ckpt"
    before.best_k_models = {before.best_model_path: torch.tensor(0.9)}
    after = BestCheckpoint(tmp_path / "new", "best", "val/accuracy", mode="max")
    after.load_state_dict(before.state_dict())
    assert after.best_model_score is None and after.best_k_models == {}
    moved = tmp_path / "new" / "best.ckpt"
    moved.parent.mkdir()
    moved.touch()
    after.load_state_dict(before.state_dict())
    assert after.best_model_score == 0.9 and after.best_model_path == str(moved)
    assert after.best_k_models == {str(moved): 0.9}
    assert after.kth_best_model_path == str(moved)


def test_last_checkpoint_is_that_of_the_last_epoch(visus):
    assert fit_scenes(visus)[0] == 0
    last = torch.load(newest("runs/*/*/*/last.ckpt"), weights_only=True)
    assert last["epoch"] == 1


def test_a_checkpoint_of_weights_alone_has_the_same_metrics(visus):
    assert fit_scenes(visus)[0] == 0
    run = newest("runs/*/*/*/best.ckpt").parent
    code, out, err = visus("export", run, "--output", "slim.ckpt")
    assert code == 0 and "weights alone" in out, err
    assert Path("slim.ckpt").stat().st_size < 0.5 * (run / "best.ckpt").stat().st_size
    metrics = []
    for model in (run, "slim.ckpt"):
        assert visus("test", model)[0] == 0
        metrics.append(newest_metrics())
    assert metrics[0]["test/accuracy"] == metrics[1]["test/accuracy"]
    assert metrics[0]["test/loss"] == pytest.approx(metrics[1]["test/loss"], abs=0.01)
    slim = torch.load("slim.ckpt", weights_only=True)["visus"]
    assert not {"people", "trained_images"} & set(slim)
    code, _, err = fit_scenes(visus, "--resume", "slim.ckpt")
    assert code == 2 and "weights alone" in err
    code, _, err = visus("export", "slim.ckpt", "--output", "slim.ckpt")
    assert code == 2 and "is the model itself" in err


def test_averaged_weights_are_saved_and_tested(visus):
    code, _, err = fit_scenes(
        visus,
        *("--trainer.callbacks", "EMAWeightAveraging", "--trainer.callbacks.decay", "0.9"),
    )
    assert code == 0, err
    code, _, err = visus("test", "latest")
    assert code == 0, err


def test_a_continued_run_that_is_killed_is_not_finished(visus, monkeypatch):
    assert fit_scenes(visus, "--trainer.max_epochs", "1")[0] == 0
    run = newest("runs/*/*/*/last.ckpt").parent
    assert (run / "metrics.json").is_file()
    with monkeypatch.context() as patch:
        patch.setattr(RunReport, "on_fit_end", lambda *_: None)
        assert visus("fit", "--resume", run, "--trainer.max_epochs", "2")[0] == 0
    assert not (run / "metrics.json").exists()


def test_weights_without_validation_are_those_of_the_last_epoch(visus):
    unmeasured = ("--trainer.limit_val_batches", "0", "--trainer.max_epochs")
    assert fit_scenes(visus, *unmeasured, "1")[0] == 0
    run = newest("runs/*/*/*/last.ckpt").parent
    assert visus("fit", "--resume", run, "--trainer.max_epochs", "3")[0] == 0
    best, last = (torch.load(run / f"{name}.ckpt", weights_only=True) for name in ("best", "last"))
    assert best["global_step"] == last["global_step"]


def test_a_run_with_a_logger_of_the_users_own_is_resumed_in_its_folder(visus):
    logger = ("--trainer.logger", "true", "--trainer.max_epochs")
    assert fit_scenes(visus, *logger, "1")[0] == 0
    run = newest("runs/*/*/*/last.ckpt").parent
    assert (run / "config.yaml").is_file()
    assert visus("fit", "--resume", run, "--trainer.max_epochs", "2")[0] == 0
    assert newest("runs/*/*/*/last.ckpt").parent == run
