from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tests.conftest import save_detection, save_masked, save_scene
from visus.datamodules.core.groups import group_samples, similar_images
from visus.datamodules.core.splits import content_hash, held_out
from visus.vision.errors import VisusError
from visus.vision.scenes import make_scene

labelled = st.lists(
    st.tuples(st.integers(0, 50), st.sampled_from(["", *"abcdefgh"]), st.integers(0, 2)),
    min_size=1,
    max_size=100,
)


@given(labelled, st.integers(2, 5))
def test_groups_stay_on_one_side_and_every_sample_is_held_out_once(samples, folds):
    contents = [content_hash(str(value).encode()) for value, _, _ in samples]
    groups = group_samples(contents, [group for _, group, _ in samples])
    strata = [stratum for _, _, stratum in samples]
    sides = np.array([held_out(contents, strata, 1 / folds, fold, groups) for fold in range(folds)])
    assert (sides.sum(0) == 1).all()
    fold_of = sides.argmax(0)
    for labels in (contents, [group for _, group, _ in samples]):
        for label in set(labels) - {""}:
            assert len(set(fold_of[[each == label for each in labels]])) == 1


@given(labelled)
def test_groups_do_not_depend_on_the_order_of_the_samples(samples):
    contents = [content_hash(str(value).encode()) for value, _, _ in samples]
    stated = [group for _, group, _ in samples]
    forward = group_samples(contents, stated)
    assert group_samples(contents[::-1], stated[::-1]) == forward[::-1]


def test_large_groups_share_the_hold_out_as_evenly_as_they_can():
    contents = [content_hash(str(i).encode()) for i in range(200)]
    groups = group_samples(contents, [f"patient {i // 10}" for i in range(200)])
    for fold in range(5):
        assert sum(held_out(contents, [0] * 200, 0.2, fold, groups)) == 40


def test_each_class_has_its_fraction_of_the_hold_out():
    contents = [content_hash(str(i).encode()) for i in range(300)]
    # Ten images of each patient in one class, copies of one image in another, single ones else.
    stated = [f"patient {i // 10}" if i < 200 else "" for i in range(300)]
    strata = [0] * 200 + [1] * 100
    groups = group_samples(contents, stated)
    for fold in range(5):
        sides = np.array(held_out(contents, strata, 0.2, fold, groups))
        assert abs(sides[:200].sum() - 40) <= 10 and abs(sides[200:].sum() - 20) <= 5


def test_changed_copies_are_similar_and_other_images_are_not(tmp_path):
    paths = []
    for i in range(12):
        image = Image.fromarray(make_scene(i, (192, 256)).image)
        darker = Image.fromarray(np.uint8(0.8 * np.asarray(image)))
        shifted = image.crop((1, 1, *image.size))
        for name, copy in (("a.png", image), ("b.jpg", darker), ("c.jpg", shifted)):
            paths.append(tmp_path / f"{i}{name}")
            copy.save(paths[-1])
    numbers = np.array(similar_images(paths)).reshape(12, 3)
    assert (numbers == numbers[:, :1]).all()
    assert len(set(numbers[:, 0])) == 12


def test_a_chain_of_similar_images_is_one_group_across_blocks(tmp_path, monkeypatch):
    monkeypatch.setattr("visus.datamodules.core.groups._BLOCK", 3)
    wide = make_scene(3, (192, 400)).image
    for i in range(20):
        Image.fromarray(wide[:, 2 * i : 2 * i + 256]).save(tmp_path / f"{i:02d}.png")
    for i in range(5):
        Image.fromarray(make_scene(50 + i, (96, 128)).image).save(tmp_path / f"other{i}.png")
    numbers = similar_images(sorted(Path(tmp_path).iterdir()))
    assert len(set(numbers[:20])) == 1 and len(set(numbers)) == 6


def test_even_surfaces_are_not_similar(tmp_path):
    for i in range(3):
        Image.fromarray(np.full((64, 64, 3), 80 * i + i, np.uint8)).save(tmp_path / f"{i}.png")
    assert len(set(similar_images(sorted(tmp_path.iterdir())))) == 3


def modules(workplace):
    from visus.datamodules.classification.data import ImageClassificationData
    from visus.datamodules.detection.data import ImageDetectionData
    from visus.datamodules.segmentation.data import ImageSegmentationData

    for label in ("circle", "cross"):
        for i in range(6):
            save_scene(workplace / "photos" / label / f"{i}.png", 10 * len(label) + i)
    save_detection(workplace / "boxes", "yolo", count=12)
    save_masked(workplace / "masks", "folders", count=12)
    yield ImageClassificationData("photos", num_workers=0, val_share=0.5, group_similar=True)
    yield ImageDetectionData("boxes", num_workers=0, val_share=0.5, group_similar=True)
    yield ImageSegmentationData("masks", num_workers=0, val_share=0.5, group_similar=True)


def test_each_task_keeps_similar_images_on_one_side(workplace, monkeypatch):
    def by_ending(paths):
        return [int(Path(path).stem[-1]) // 2 for path in paths]

    monkeypatch.setattr("visus.datamodules.core.groups.similar_images", by_ending)
    for module in modules(workplace):
        sides = [set(by_ending([s.path for s in module.splits[name]])) for name in ("train", "val")]
        assert all(sides) and not sides[0] & sides[1]


def test_one_group_of_all_is_refused(workplace, monkeypatch):
    monkeypatch.setattr("visus.datamodules.core.groups.similar_images", lambda paths: [0] * 12)
    for module in modules(workplace):
        with pytest.raises(VisusError, match=r"12 images belong to 1 group; state.*group_similar"):
            module.splits  # noqa: B018
