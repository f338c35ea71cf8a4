import zipfile

import pytest
import pytorch_lightning as pl
import torch

from tests.conftest import save_people
from tests.tasks.overfit import overfit, trainer
from visus.apps.export.checkpoint_file import write_slim_checkpoint
from visus.datamodules.face_recognition.data import PeopleData
from visus.tasks.base import VisionTask
from visus.tasks.checkpoint_files import write_checkpoint
from visus.tasks.checkpoints import load_task, read_checkpoint
from visus.tasks.data_info import info_from_data
from visus.tasks.face_recognition.data_info import FaceRecognitionInfo
from visus.tasks.face_recognition.task import FaceRecognitionTask
from visus.vision.errors import VisusError


def people(root, **arguments):
    given = {"align": False, "image_size": (48, 48), "num_workers": 0, "batch_size": 12}
    return PeopleData(str(root), augment="none", **{**given, **arguments})


def task_for(data, **arguments):
    info = info_from_data(FaceRecognitionInfo, data)
    given = {"backbone": "test_resnet", "embedding": 16, "warmup": 0.1}
    return FaceRecognitionTask(data_info=info, **{**given, **arguments})


@pytest.mark.parametrize(
    ("loss", "rate"), [("arcface", 5e-3), ("cosface", 5e-3), ("triplet", 2e-3)]
)
def test_overfits_a_small_set(tmp_path, loss, rate):
    pl.seed_everything(0)
    data = people(save_people(tmp_path, 7, 4), val_share=0.3)
    task = task_for(data, loss=loss, scale=16.0, learning_rate=rate, weight_decay=0.0)
    # Trained people, verified by all pairs of their images.
    data.splits["val"] = data.splits["test"] = data.splits["train"]
    metrics = overfit(task, data, "verification_accuracy", 0.95, 160)
    assert metrics["test/verification_accuracy"] >= 0.9
    assert metrics["test/eer"] <= 0.1


def test_embeddings_have_unit_length_and_flips_are_averaged(tmp_path):
    data = people(save_people(tmp_path, 4, 2), val_share=0.5)
    task = task_for(data).eval()
    images = torch.randint(0, 256, (3, 3, 48, 48), dtype=torch.uint8)
    (embeddings,) = task(images)
    torch.testing.assert_close(embeddings.norm(dim=1), torch.ones(3))
    torch.testing.assert_close(embeddings, task(images.flip(3))[0])


def test_a_checkpoint_holds_threshold_and_fingerprint_but_no_names(tmp_path):
    data = people(save_people(tmp_path / "people", 8, 3), val_share=0.5)
    task = task_for(data)
    fitted = trainer(max_epochs=1)
    fitted.fit(task, data)
    fitted.save_checkpoint(tmp_path / "a.ckpt")
    loaded = load_task(tmp_path / "a.ckpt")
    assert loaded.metadata.options["far"] == 0.001
    assert loaded.metadata.options["threshold"] == pytest.approx(float(task.threshold), abs=1e-4)
    assert loaded.fingerprint() == task.fingerprint() != task_for(data).fingerprint()
    with zipfile.ZipFile(tmp_path / "a.ckpt") as file:
        described = b"".join(file.read(n) for n in file.namelist() if n.endswith(".pkl"))
    assert described and not any(b"P%d" % i in described for i in range(8))


def test_the_centres_of_the_loss_are_trained(tmp_path):
    data = people(save_people(tmp_path, 4, 2), val_share=0.5)
    task = task_for(data)
    before = task.identity_loss.centres.detach().clone()
    trainer(max_epochs=1, limit_val_batches=0).fit(task, data)
    assert not torch.equal(before, task.identity_loss.centres)


def test_training_is_not_resumed_with_other_people(tmp_path):
    def stated(folder, first):
        save_people(tmp_path / folder / "train", 3, 2, first=first)
        save_people(tmp_path / folder / "val", 2, 2, first=100)
        return people(tmp_path / folder)

    def train(data, epochs, **arguments):
        fitted = trainer(max_epochs=epochs, limit_val_batches=0)
        fitted.fit(task_for(data), data, **arguments)
        return fitted

    some, others = stated("some", 0), stated("others", 50)
    train(some, 1).save_checkpoint(tmp_path / "a.ckpt")
    with pytest.raises(VisusError, match=r"others: .* not those that this checkpoint was trained"):
        train(others, 2, ckpt_path=tmp_path / "a.ckpt")
    assert train(some, 2, ckpt_path=tmp_path / "a.ckpt").current_epoch == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"architecture": "resnet"}, "model.architecture 'resnet' is unknown"),
        ({"architecture": "dlib_resnet"}, r"set data.image_size to \[150, 150\]"),
        ({"loss": "softmax"}, "model.loss 'softmax'"),
        ({"embedding": 1}, "model.embedding 1"),
        ({"margin": -1.0}, r"model.margin -1"),
        ({"backbone_options": {"width": 8}}, "takes no option 'width'"),
        (
            {
                "architecture": "dlib_resnet",
                "data_info": FaceRecognitionInfo(image_size=(150, 150)),
                "backbone_options": {"width": 8},
            },
            "dlib_resnet has no backbone with option 'width'",
        ),
        ({"data_info": None}, r"needs data_info, FaceRecognitionInfo"),
    ],
)
def test_wrong_arguments_are_refused(arguments, words):
    info = FaceRecognitionInfo(image_size=(112, 112))
    with pytest.raises(VisusError, match=words):
        FaceRecognitionTask(**{"data_info": info, "backbone": "test_resnet", **arguments})


def test_options_reach_the_backbone():
    info = FaceRecognitionInfo(image_size=(32, 32))
    tasks = [
        FaceRecognitionTask(data_info=info, backbone="resnet9", backbone_options={"width": width})
        for width in (4, 8)
    ]
    sizes = [sum(p.numel() for p in task.network.parameters()) for task in tasks]
    assert sizes[0] < sizes[1]


def test_a_checkpoint_to_pass_on_describes_no_training_person(tmp_path):
    data = people(save_people(tmp_path / "people", 6, 2), val_share=0.3)
    task = task_for(data, loss="arcface").eval()
    whole: dict = {"state_dict": task.state_dict(), "visus": {"people": "digest"}}
    VisionTask.on_save_checkpoint(task, whole)
    write_checkpoint(whole, tmp_path / "whole.ckpt")
    write_slim_checkpoint(tmp_path / "whole.ckpt", tmp_path / "slim.ckpt")
    slim = read_checkpoint(tmp_path / "slim.ckpt")
    assert "people" not in slim["visus"]
    assert whole["state_dict"]["identity_loss.centres"].any()
    assert not slim["state_dict"]["identity_loss.centres"].any()
    images = torch.randint(0, 256, (2, 3, 48, 48), dtype=torch.uint8)
    loaded = load_task(tmp_path / "slim.ckpt")
    with torch.no_grad():
        torch.testing.assert_close(task(images), loaded(images))
    assert loaded.fingerprint() == task.fingerprint(), "galleries of the one are those of the other"
