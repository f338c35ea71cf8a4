"""Training a pruned network by another one: labels where they help, averaged weights."""

import copy
import dataclasses

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Timer
from torch.optim import swa_utils

from tests.training import train_in
from visus.apps.compress import training
from visus.apps.compress.imitation import imitating
from visus.apps.compress.training import Student
from visus.apps.training.evaluation import load_evaluation
from visus.tasks.detection.data_info import DetectionInfo
from visus.tasks.detection.task import DetectionTask

SMALL = ["--data.num_workers", "0", "--data.image_size", "[64,64]", "--trainer.max_epochs", "1"]
SCENES = {
    "classification": ["--model.backbone", "convnet", "--data.count", "16"],
    "segmentation": [
        *("--model.backbone", "test_resnet", "--model.pretrained", "false"),
        *("--data.count", "16"),
    ],
    "detection": [
        *("--model.backbone", "test_resnet", "--model.pretrained", "false"),
        *("--model.channels", "32", "--data.count", "16", "--model.architecture", "one_stage"),
        *("--model.strides", "[8,16,32]"),
    ],
}


@pytest.fixture(scope="module", params=SCENES)
def evaluation(request, tmp_path_factory):
    """A tiny, hardly trained model of each task with its data."""
    task = request.param
    folder = tmp_path_factory.mktemp(task)
    run = train_in(folder, "--config", f"{task}/scenes", *SMALL, *SCENES[task])
    return load_evaluation(str(run / "best.ckpt"), [], trains=True)


def with_other_labels(batch):
    """The images of a batch without the objects, or with the classes of other images."""
    batch = dict(batch)
    for name in ("label", "mask"):
        if name in batch:
            batch[name] = (batch[name] + 1) % 2
    if "target" in batch:
        batch["target"] = [{k: v[:0] for k, v in each.items()} for each in batch["target"]]
    return batch


@pytest.mark.filterwarnings("ignore:You are trying to `self.log")
def test_only_detectors_learn_from_labels_beside_the_teacher(evaluation):
    teacher, data = evaluation.task.eval(), evaluation.data
    student = copy.deepcopy(teacher)
    batch = next(iter(data.weakly_augmented().train_loader(data.dataset("train"))))
    with imitating(student, teacher), torch.no_grad():
        loss = student.training_step(batch, 0)
        other = student.training_step(with_other_labels(batch), 0)
        again = student.training_step(batch, 0)
    assert torch.isclose(loss, again)
    assert torch.isclose(loss, other) == (teacher.spec.name != "detection")
    # What a training step of its own computes is unchanged after it.
    assert "training_step" not in vars(student)


def detector():
    """An untrained detector whose levels share their towers."""
    torch.manual_seed(0)
    info = DetectionInfo(
        image_size=(64, 64), class_names=("a", "b"), in_channels=3, resize_mode="letterbox"
    )
    options = {"backbone": "test_resnet", "channels": 16, "shared_towers": True}
    return DetectionTask(data_info=info, architecture="one_stage", **options).eval()


@pytest.mark.parametrize("level", [0, 1, 2])
def test_all_levels_of_a_detector_with_shared_towers_are_imitated(level, monkeypatch):
    teacher = detector()
    student, other = copy.deepcopy(teacher), copy.deepcopy(teacher)
    parts = dataclasses.replace(teacher.spec.distillation(teacher), labels=False)
    monkeypatch.setattr(type(teacher.spec), "distillation", lambda self, task: parts)
    batch = {"image": torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8)}
    calls = []

    def disturb(module, inputs, output):
        """Changes the scores of one level of the other student."""
        calls.append(0)
        return output + 3.0 if len(calls) == level + 1 else output

    other.get_submodule("network.score_towers.0.last").register_forward_hook(disturb)
    losses = []
    for task in (student, other):
        with imitating(task, teacher), torch.no_grad():
            losses.append(float(task.training_step(batch, 0)))
    assert len(calls) == 3
    assert losses[1] > losses[0] + 0.1


def test_norms_that_count_their_batches_are_averaged_on_a_gpu_too(monkeypatch):
    """There, lists of tensors are averaged at once unless a function for one is given."""
    monkeypatch.setattr(swa_utils, "_get_foreach_kernels_supported_devices", lambda: ["cpu"])
    module = pl.LightningModule()
    module.norm = torch.nn.BatchNorm2d(4)
    average = training._LateAverage(Timer(), 0.0)
    average.setup(pl.Trainer(logger=False), module, "fit")
    for _ in range(3):
        module.norm(torch.rand(2, 4, 4, 4))
        average._average_model.update_parameters(module)
    average.on_train_end(None, module)
    assert module.norm.running_mean.isfinite().all()


def test_the_weights_are_averaged_over_the_later_part(evaluation, monkeypatch):
    """Each step takes a second of six; from the third one on they count."""
    teacher = evaluation.task.eval()
    task = copy.deepcopy(teacher)
    name = next(name for name, each in task.network.named_parameters() if each.ndim == 4)
    seen, clock = [], [0]

    def weights():
        return dict(task.network.named_parameters())[name].detach().clone()

    def begin(*_):
        clock[0] += 1

    monkeypatch.setattr(training, "_AVERAGED_FROM", 0.5)
    monkeypatch.setattr(Timer, "time_elapsed", lambda self, stage="train": float(clock[0]))
    monkeypatch.setattr(type(task), "on_train_batch_start", begin)
    monkeypatch.setattr(type(task), "on_train_batch_end", lambda *_: seen.append(weights()))
    Student(task, teacher, evaluation.data, {}).learn(6.0)
    assert len(seen) == 6
    assert torch.allclose(weights(), torch.stack(seen[2:]).mean(0), atol=1e-6)
    assert not torch.allclose(weights(), seen[-1], atol=1e-6)
