"""The data module of one's own clips: samples, splits, the cache."""

import multiprocessing
import os
from itertools import pairwise

import numpy as np
import pytest
import torch

from tests.datamodules.action.videos import SIZE, save_classes, save_clip, save_csv
from visus.datamodules.action.data import VideoActionData
from visus.vision.errors import VisusError


@pytest.fixture(autouse=True)
def cache_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("VISUS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "clips"


def module(root, **arguments):
    arguments = {"num_workers": 0, "image_size": SIZE, "val_share": 0.25, **arguments}
    return VideoActionData(str(root), **arguments)


def brightness(image):
    """The number of each frame of a window."""
    means = image.float().mean(dim=(1, 2, 3))
    return ((means - means[0]) / 5).round().int().tolist()


def test_a_window_holds_frames_at_equal_times(workplace):
    root = save_classes(workplace / "set")
    data = module(root, frames=4, seconds=2.0)
    dataset = data.dataset("val")
    sample = dataset[0]
    assert sample["image"].shape == (4, 3, *SIZE) and sample["image"].dtype == torch.uint8
    # Ten frames a second, and four in two seconds.
    assert brightness(sample["image"]) == [0, 5, 10, 15]
    path = data.splits["val"][0].path
    assert sample["source"] == sample["clip"] == f"{path} 0.0-2.0 s"
    assert sample["label"] == data.class_names.index(path.parent.name)
    assert sample["geometry"].source_size == SIZE
    assert dataset.index(sample["source"]) == 0 and dataset.image(0).shape == (*SIZE, 3)


def test_evaluation_covers_a_clip_with_windows(workplace):
    root = save_classes(workplace / "set", seconds=5.0)
    dataset = module(root, frames=4, seconds=2.0, evaluate_all=True).dataset("test")
    windows = [dataset[i] for i in range(3)]
    assert len({sample["clip"] for sample in windows}) == 1
    assert [w["source"].rpartition(" ")[0].rpartition(" ")[2] for w in windows] == [
        "0.0-2.0", "1.5-3.5", "3.0-5.0"
    ]  # fmt: skip
    assert len(dataset) == 3 * 8


def test_training_windows_are_random_and_repeatable(workplace):
    root = save_classes(workplace / "set", seconds=6.0)
    data = module(root, frames=4, seconds=2.0, augment="none")

    def epoch(number):
        loader = data.train_dataloader()
        loader.batches.set_epoch(number)
        batches = list(loader)
        order = sorted(
            (source, brightness(image))
            for batch in batches
            for source, image in zip(batch["source"], batch["image"], strict=True)
        )
        assert batches[0]["image"].shape[1:] == (4, 3, *SIZE)
        return order

    first = epoch(0)
    assert first == epoch(0) != epoch(1)
    gaps = {b - a for _, numbers in first for a, b in pairwise(numbers)}
    # Half a second, jittered by a quarter of one: 2 to 8 frames.
    assert min(gaps) >= 2 and max(gaps) <= 8 and len(gaps) > 1


def test_a_short_clip_repeats_its_last_frame(workplace):
    root = save_classes(workplace / "set", seconds=1.0)
    sample = module(root, frames=4, seconds=2.0).dataset("val")[0]
    assert brightness(sample["image"]) == [0, 5, 9, 9]


def test_intervals_and_labels_of_a_csv(workplace):
    rows = [f"{i}.mp4,1,3,a|b\n{i}.mp4,4,6,b" for i in range(4)]
    root = save_csv(workplace / "set", rows)
    for i in range(4):
        save_clip(root / f"{i}.mp4", 6, i)
    data = module(root, frames=4)
    assert data.multi_label and data.class_names == ("a", "b")
    sample = data.dataset("val")[0]
    assert sample["source"].endswith("1.0-3.0 s") and sample["labels"].tolist() == [1.0, 1.0]
    # The file of a clip is its source: both intervals are on one side.
    assert len({clip.path for clip in data.splits["val"]}) == 1 and len(data.splits["val"]) == 2
    with pytest.raises(VisusError, match=r"clips.csv:2: a\|b, where one label is expected"):
        module(root, multi_label=False).dataset("train")


def test_clips_of_one_source_stay_on_one_side(workplace):
    rows = [f"{i}.mp4,{'clap' if i % 2 else 'jump'},tape {i // 4}" for i in range(16)]
    root = save_csv(workplace / "set", rows, "file,label,source")
    for i in range(16):
        save_clip(root / f"{i}.mp4", 2, i)
    for fold in range(4):
        splits = module(root, fold=fold).splits
        tapes = [{clip.source for clip in splits[name]} for name in ("train", "val")]
        assert not tapes[0] & tapes[1] and len(tapes[1]) == 1


@pytest.mark.parametrize("seconds", [1.0, 4.0])
def test_frames_are_decoded_once(workplace, seconds):
    root = save_classes(workplace / "set", seconds=seconds)
    data = module(root, frames=4, augment="none")
    loaders = data.train_dataloader(), data.val_dataloader()
    for path in root.rglob("*.mp4"):
        path.unlink()
    assert [len(list(loader)) for loader in loaders] == [1, 1]


@pytest.mark.parametrize("cache", ["0", "100KB", "1GB"])
def test_the_size_of_the_cache_changes_nothing_but_the_time(workplace, capsys, cache):
    root = save_classes(workplace / "set", seconds=4.0)
    images = {}
    for size in ("1GB", cache):
        data = module(root, frames=4, cache=size)
        images[size] = [
            batch["image"] for batch in (*data.train_dataloader(), *data.val_dataloader())
        ]
    assert all(torch.equal(a, b) for a, b in zip(images["1GB"], images[cache], strict=True))
    assert ("does not hold" in capsys.readouterr().err) == (cache == "100KB")
    if cache == "100KB":
        assert 0 < os.fstat(data.cache.fileno()).st_size <= 100_000


def test_damaged_frames_of_the_cache_are_decoded_again(workplace):
    data = module(save_classes(workplace / "set"), frames=4)
    before = next(iter(data.val_dataloader()))["image"]
    size = os.fstat(data.cache.fileno()).st_size
    assert size == len(data.cache) * np.prod((*SIZE, 3))
    os.pwrite(data.cache.fileno(), os.urandom(size // 2), 0)
    assert torch.equal(next(iter(data.val_dataloader()))["image"], before)


def test_a_full_disk_loses_no_frames(workplace, monkeypatch):
    data = module(save_classes(workplace / "set"), frames=4)
    monkeypatch.setattr(os, "pwrite", lambda *arguments: 0)
    assert next(iter(data.val_dataloader()))["image"].shape[1:] == (4, 3, *SIZE)
    assert len(data.cache) == 0


def test_the_cache_leaves_no_file(workplace, cache_folder):
    data = module(save_classes(workplace / "set"), frames=4)
    next(iter(data.val_dataloader()))
    assert len(data.cache) > 0
    # Not even while it is used, so that nothing stays after a crash.
    assert list(cache_folder.iterdir()) == []


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_workers_share_the_cache(workplace, start):
    root = save_classes(workplace / "set")
    data = module(root, frames=4, num_workers=1)
    before = multiprocessing.get_start_method()
    multiprocessing.set_start_method(start, force=True)
    try:
        loader = data.val_dataloader()
        for path in root.rglob("*.mp4"):
            path.unlink()
        (batch,) = loader
    finally:
        multiprocessing.set_start_method(before, force=True)
    assert batch["image"].shape == (2, 4, 3, *SIZE)


def test_impossible_arguments_are_refused(workplace):
    for arguments, message in {
        "frames": (dict(frames=0), "data.frames 0 must be at least 1"),
        "seconds": (dict(seconds=0.0), "data.seconds 0.0 must be above 0"),
        "cache": (dict(cache="2"), "data.cache '2' is not an amount of memory"),
        "augment": (dict(augment="photos"), "data.augment 'photos' is unknown"),
    }.values():
        with pytest.raises(VisusError, match=message):
            module(save_classes(workplace / "set"), **arguments).dataset("train")
