"""Callbacks of the command line beside those of the configuration."""

import pytest
import yaml

from tests.conftest import newest, newest_metrics, save_captions
from visus.apps.cli import main
from visus.apps.training.callbacks import merge_callbacks

CALL = "--trainer.callbacks"
STOP = (CALL, "EarlyStopping", f"{CALL}.monitor", "val/cider_d", f"{CALL}.mode", "max")
TINY = (
    *("fit", "--config", "classification/scenes", "--model.backbone", "lenet5"),
    *("--trainer.precision", "32-true", "--data.count", "16", "--data.image_size", "[32,32]"),
    *("--data.num_workers", "0", "--trainer.max_epochs", "1"),
)


@pytest.fixture
def parsed(workplace, capsys):
    """The callbacks of a configuration with arguments: names with their own arguments."""

    def run(config, *arguments):
        capsys.readouterr()
        with pytest.raises(SystemExit):
            main(["fit", "--config", config, "--data.root", "x", *arguments, "--print_config"])
        callbacks = yaml.safe_load(capsys.readouterr().out)["trainer"]["callbacks"]
        listed = callbacks or []
        return {each["class_path"].rpartition(".")[2]: each["init_args"] for each in listed}

    return run


def test_a_callback_is_added_to_those_of_the_configuration(parsed):
    callbacks = parsed("captioning/custom", *STOP)
    assert list(callbacks) == ["EMAWeightAveraging", "EarlyStopping"]
    assert callbacks["EMAWeightAveraging"]["decay"] == 0.98
    assert callbacks["EarlyStopping"]["monitor"] == "val/cider_d"
    for form in ("--trainer.callbacks=LearningRateMonitor", "--trainer.callbacks+=ModelSummary"):
        assert len(parsed("captioning/custom", form)) == 2
    several = "[{class_path: LearningRateMonitor}, {class_path: ModelSummary}]"
    assert len(parsed("captioning/custom", CALL, several)) == 3


def test_null_drops_the_callbacks_of_the_configuration(parsed):
    assert parsed("captioning/custom", CALL, "null") == {}
    assert list(parsed("captioning/custom", CALL, "[]", *STOP)) == ["EarlyStopping"]


def test_a_callback_of_the_same_class_replaces_that_of_the_configuration():
    def listed(*names):
        return [{"class_path": name, "place": i} for i, name in enumerate(names)]

    config = listed("A", "B", "A", "A")
    arguments = ["--trainer.callbacks+=A", "--trainer.callbacks.x", "1", "--trainer.callbacks+=A"]
    assert [each["place"] for each in merge_callbacks(config, arguments)] == [1, 2, 3]
    assert merge_callbacks(config, []) == config
    both = ["--trainer.callbacks+=[{class_path: A}, {class_path: A}]"]
    assert [each["place"] for each in merge_callbacks(config, both)] == [1, 2, 3]


def test_a_replaced_callback_is_the_one_of_the_command_line(visus, workplace):
    config = yaml.safe_load(
        """
        model: {class_path: visus.tasks.classification.task.ClassificationTask}
        data:
          class_path: visus.datamodules.classification.arrays.ScenesClassificationData
        trainer:
          callbacks:
            - class_path: EarlyStopping
              init_args: {monitor: val/nothing}
            - class_path: LearningRateMonitor
        """
    )
    (workplace / "own.yaml").write_text(yaml.safe_dump(config))
    arguments = (TINY[0], "--config", "own.yaml", *TINY[3:])
    code, _, err = visus(*arguments)
    assert code == 2 and "'val/nothing' is not a metric" in err
    code, _, err = visus(*arguments, CALL, "EarlyStopping", f"{CALL}.monitor", "val/loss")
    assert code == 0, err


@pytest.mark.filterwarnings("ignore")
def test_callbacks_are_those_of_the_run_after_resuming(visus):
    average = (CALL, "StochasticWeightAveraging", f"{CALL}.swa_lrs", "0.01")
    timer = (CALL, "Timer", f"{CALL}.duration", "01:00:00:00")
    code, _, err = visus(*TINY, *timer, "--trainer.max_epochs", "2", "--trainer.max_steps", "1")
    assert code == 0, err
    code, out, err = visus("fit", "--resume", "latest", "--trainer.max_steps", "-1")
    assert code == 0 and "epoch 2/2" in out, err
    code, _, err = visus(*TINY, *average, "--trainer.max_epochs", "2")
    assert code == 0, err
    code, _, err = visus("test", "latest")
    assert code == 0, err


def test_a_trial_run_saves_nothing_and_says_so(visus):
    code, out, err = visus(*TINY, "--trainer.fast_dev_run", "true")
    assert code == 0, err
    assert "no checkpoint was saved" in out and "next:" not in out
    assert not list(newest("runs/*/*/*").glob("*.ckpt"))


def test_a_training_that_validates_nothing_has_both_checkpoints(visus):
    code, out, err = visus(*TINY, "--trainer.check_val_every_n_epoch", "3")
    assert code == 0, err
    assert "nothing was validated; best.ckpt holds the weights of the last epoch" in out
    assert "best_val/accuracy" not in newest_metrics()
    code, _, err = visus("test", "latest")
    assert code == 0, err


def test_a_metric_that_the_data_do_not_have_is_one_line(visus, workplace):
    save_captions(workplace / "captions", 12)
    command = ("fit", "--config", "captioning/custom", "--data.root", "captions")
    small = (
        *("--model.backbone", "test_resnet", "--model.pretrained", "false"),
        *("--model.hidden_size", "16", "--data.num_workers", "0", "--data.min_count", "1"),
        *("--data.image_size", "[64,64]", "--data.batch_size", "4", "--trainer.max_epochs", "1"),
    )
    stop = (CALL, "EarlyStopping", f"{CALL}.monitor", "val/true", f"{CALL}.mode", "max")
    code, _, err = visus(*command, *small, *stop)
    assert code == 2 and "Traceback" not in err
    assert "these data have no val/true; monitor another metric" in err
