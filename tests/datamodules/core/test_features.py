"""Cached features of a frozen backbone."""

import errno
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from tests.conftest import save_captions, save_scene
from tests.datamodules.action.videos import SIZE, save_classes
from tests.tasks.overfit import trainer
from visus.datamodules.action.data import VideoActionData
from visus.datamodules.captioning.data import ImageCaptioningData
from visus.datamodules.classification.data import ImageClassificationData
from visus.datamodules.core.features import FeatureCache, fill_cache
from visus.datamodules.core.loading import collate
from visus.tasks.action.task import ActionTask
from visus.tasks.captioning.task import CaptioningTask
from visus.tasks.classification.task import ClassificationTask
from visus.tasks.data_info import info_from_data
from visus.tasks.registry import task_spec
from visus.vision.errors import VisusError


@pytest.fixture(autouse=True)
def cache_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("VISUS_CACHE", str(tmp_path / "cache"))


class Extractor:
    """Counts its calls."""

    calls = 0

    def extract_features(self, images):
        self.calls += 1
        return images[:, :2, :4, :4].float()


def test_a_full_disk_is_one_line_and_leaves_nothing(monkeypatch):
    def full(*arguments, **keywords):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    cache = FeatureCache("weights", "recipe", views=1)
    with pytest.raises(VisusError, match="No space left on device"):
        cache.write("content", np.zeros((1, 2), np.float16))
    assert not list(cache.folder.iterdir())


def captions(root):
    return ImageCaptioningData(
        str(root), (32, 32), num_workers=0, batch_size=2, min_count=1, views=3
    )


def test_features_are_computed_once_and_a_damaged_file_again(tmp_path):
    data = captions(save_captions(tmp_path / "set", 8))
    images, contents = data.dataset("train"), data.feature_contents()
    extractor, count = Extractor(), len(images)
    cache = FeatureCache("weights a", "recipe", views=3)
    fill_cache(cache, images, contents, extractor, range(count))
    assert extractor.calls == count
    again = FeatureCache("weights a", "recipe", 3)
    fill_cache(again, images, contents, extractor, range(count))
    assert extractor.calls == count, "nothing is computed again"
    stored = np.array(cache.read(contents[0]))
    assert stored.shape == (3, 2, 4, 4) and stored.dtype == np.float16
    files = sorted(cache.folder.iterdir())
    assert len(files) == count and all(path.stat().st_mode & 0o77 == 0 for path in files)
    # A truncated and an empty file: both are computed again.
    files[0].write_bytes(files[0].read_bytes()[:-10])
    files[1].write_bytes(b"")
    fill_cache(cache, images, contents, extractor, range(count))
    assert extractor.calls == count + 2
    np.testing.assert_array_equal(cache.read(contents[0]), stored)
    # Other weights, another recipe, more views: other files.
    for other in (
        ("weights b", "recipe", 3),
        ("weights a", "other", 3),
        ("weights a", "recipe", 4),
    ):
        assert FeatureCache(*other).read(contents[0]) is None
    Image.new("RGB", (20, 20)).save(images.sources[0].path)
    changed = captions(tmp_path / "set").feature_contents()
    assert cache.read(changed[0]) is None, "another image of the same name"


def classification(root):
    for label in ("circle", "square"):
        for i in range(6):
            save_scene(root / label / f"{i}.png", i, label, (40, 40))
    return ImageClassificationData(str(root), (32, 32), num_workers=0, batch_size=4)


def action(root):
    save_classes(root)
    return VideoActionData(str(root), SIZE, 4, val_share=0.25, num_workers=0, batch_size=2)


TASKS = {
    "classification": (classification, ClassificationTask, {}),
    "mean of frames": (action, ActionTask, {"architecture": "tsn", "inputs": "differences"}),
    "temporal shift": (action, ActionTask, {"architecture": "tsm", "inputs": "both"}),
    "recurrent": (action, ActionTask, {"architecture": "recurrent"}),
    "captioning": (lambda root: captions(save_captions(root, 8)), CaptioningTask, {"beams": 1}),
}


@pytest.mark.parametrize("case", TASKS)
def test_a_frozen_backbone_runs_once_for_each_view(tmp_path, monkeypatch, case):
    make_data, task_class, arguments = TASKS[case]
    data = make_data(tmp_path / "set")
    torch.manual_seed(0)
    task = task_class(
        info_from_data(task_spec(task_class.task).data_info, data),
        backbone="resnet9",
        backbone_options={"width": 4},
        freeze_epochs=-1,
        **arguments,
    )
    calls, encode = [], task.encode
    monkeypatch.setattr(task, "encode", lambda images: calls.append(1) or encode(images))
    before = {name: value.clone() for name, value in task.state_dict().items()}
    fitted = trainer(max_epochs=3, limit_val_batches=0)
    fitted.fit(task, data)
    assert len(calls) == len(data.feature_contents()), "three epochs, each sample encoded once"
    after = task.state_dict()
    changed = [name for name, value in before.items() if not torch.equal(value, after[name])]
    assert changed and not any(".body." in name for name in changed)
    # The head is trained on what it computes its outputs from.
    dataset = data.dataset("train")
    targets = collate([dataset.targets(0)] * 2)
    images = torch.stack([dataset[0]["image"] for _ in range(2)])
    features = task.extract_features(images).half()
    monkeypatch.setattr(task, "log", lambda *_, **__: None)
    # One more step of the training that has ended.
    fitted.fit_loop.max_epochs = 4
    task.eval()
    with torch.no_grad():
        torch.manual_seed(0)
        loss = task.training_step({"features": features, **targets}, 0)
        torch.manual_seed(0)
        expected = task.training_step({"image": images, **targets}, 0)
    assert float(loss) == pytest.approx(float(expected), abs=2e-3)


def test_each_machine_fills_its_own_cache(tmp_path):
    # The second of two machines with two processes each, which share no folder with the first.
    data, network = captions(save_captions(tmp_path / "set", 8)), Extractor()
    network.feature_fingerprint = lambda: "weights"
    data.trainer = SimpleNamespace(
        lightning_module=network, num_devices=2, world_size=4, overfit_batches=0,
        strategy=SimpleNamespace(barrier=lambda: None),
    )  # fmt: skip
    for local_rank in range(2):
        data.trainer.local_rank = local_rank
        data.trainer.global_rank = 2 + local_rank
        loader = data.train_dataloader()
    assert network.calls == len(data.feature_contents())
    assert all(len(batch["features"]) for batch in loader)


def test_images_that_are_mixed_are_not_cached(tmp_path):
    data = classification(tmp_path / "set")
    info = info_from_data(task_spec("classification").data_info, data)
    for more, cached in (({}, True), ({"mixup": 0.2}, False), ({"freeze_epochs": 1}, False)):
        arguments = {"freeze_epochs": -1, "backbone": "lenet5", **more}
        task = ClassificationTask(info, **arguments)
        assert (task.feature_fingerprint() is not None) == cached
