from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage.data import astronaut

from tests.conftest import save_people
from visus.datamodules.face_recognition.augment import FaceTransform
from visus.datamodules.face_recognition.data import PeopleData
from visus.datamodules.face_recognition.sampler import PeopleBatches
from visus.vision.errors import VisusError
from visus.vision.faces.alignment import template


def data(root, **arguments):
    given = {"align": False, "image_size": (32, 32), "num_workers": 0, "batch_size": 8}
    return PeopleData(str(root), **{**given, **arguments})


def test_people_are_held_out_as_wholes(tmp_path):
    people = data(save_people(tmp_path, 10, 3), val_share=0.3)
    names = {split: {p.person for p in images} for split, images in people.splits.items()}
    assert len(names["val"]) == 3 and len(names["train"]) == people.people_count == 7
    assert not names["train"] & names["val"] and names["test"] == names["val"]
    for pair in people.pairs("val"):
        assert {Path(pair.first).parent.name, Path(pair.second).parent.name} <= names["val"]


def test_two_people_at_least_are_held_out_and_too_few_are_refused_before_training(tmp_path):
    few = data(save_people(tmp_path / "few", 5, 2), val_share=0.1)
    assert len({p.person for p in few.splits["val"]}) == 2
    alone = data(save_people(tmp_path / "alone", 6, 1))
    with pytest.raises(VisusError, match="one of them with two images"):
        alone.train_dataloader()


def test_stated_splits_are_used(tmp_path):
    for split in ("train", "val"):
        save_people(tmp_path / split, 4, 2, first=0 if split == "train" else 100)
    people = data(tmp_path)
    assert {split: len(p) for split, p in people.splits.items()} == {
        "train": 8, "val": 8, "test": 8,
    }  # fmt: skip


def test_people_in_several_splits_are_refused(tmp_path):
    for split in ("train", "val"):
        save_people(tmp_path / split, 3, 2, first=0 if split == "train" else 2)
    with pytest.raises(VisusError, match="P2: is in train and val: with a person in several"):
        data(tmp_path).train_dataloader()


def test_tested_people_are_not_trained_on(tmp_path):
    root = save_people(tmp_path / "people", 6, 2)
    lines = ["2 1", "P0 1 2", "P0 1 P1 1", "P2 1 2", "P2 1 P3 2"]
    (tmp_path / "pairs.txt").write_text("\n".join(lines))
    people = data(root, pairs=str(tmp_path / "pairs.txt"), val_share=0.5)
    assert {p.person for p in people.splits["test"]} == {"P0", "P1", "P2", "P3"}
    assert not {p.person for p in people.splits["train"]} & {"P0", "P1", "P2", "P3"}
    second = data(root, pairs=str(tmp_path / "pairs.txt"), test_folds=[1], val_share=0.5)
    assert [pair.same for pair in second.pairs("test")] == [True, False]
    trained = {p.person for split in ("train", "val") for p in second.splits[split]}
    assert trained == {"P0", "P1", "P4", "P5"}
    with pytest.raises(VisusError, match=r"data.test_folds \[2\]: .* has folds 0 to 1"):
        data(root, pairs=str(tmp_path / "pairs.txt"), test_folds=[2]).pairs("test")


def test_bad_images_are_named_in_one_report(tmp_path):
    root = save_people(tmp_path, 4, 2)
    (root / "P0" / "P0_0001.png").write_bytes(b"no image")
    (root / "P1" / "P1_0009.png").write_bytes((root / "P2" / "P2_0001.png").read_bytes())
    with pytest.raises(VisusError) as raised:
        data(root, val_share=0.25).dataset("train"), data(root, val_share=0.25).dataset("val")
    assert "P0_0001.png" in str(raised.value) or "P1_0009.png" in str(raised.value)
    assert "--data.skip_bad true" in str(raised.value)
    people = data(root, val_share=0.25, skip_bad=True)
    people.dataset("train")
    assert people.skipped >= 1


def test_faces_are_detected_and_aligned_and_missing_ones_named(tmp_path):
    for name in ("Eileen", "Eileen too", "Nobody", "Nobody too"):
        (tmp_path / name).mkdir()
        for i in range(2):
            image = astronaut()[: 500 - i] if "Eileen" in name else np.full((99, 99, 3), i, "uint8")
            Image.fromarray(image).save(tmp_path / name / f"{i} {name}.png")
    people = data(tmp_path, align=True, val_share=0.5, image_size=(64, 64))
    problems = []
    for split in ("train", "val"):
        try:
            people.images(split)
        except VisusError as error:
            problems.append(str(error))
    assert problems and "shows no face of 40 pixels" in problems[0]
    people = data(tmp_path, align=True, val_share=0.5, image_size=(64, 64), skip_bad=True)
    images = [p for s in ("train", "val") for p in people.images(s) if p.face is not None]
    dataset = people.dataset("val")
    face, _ = dataset.read(images[0])
    assert face.shape == (64, 64, 3)
    left_eye = template((64, 64))[0].round().astype(int)
    assert face[left_eye[1], left_eye[0]].mean() < face[40, 18].mean()
    # Reports show the aligned faces.
    name = dataset.name(0)
    assert dataset.index(name) == 0 and dataset.image(0).shape == (64, 64, 3)
    # For evaluation each image counts, also one without a face.
    sample = next(s for s in people.dataset("val") if "Nobody" in s["name"])
    assert sample["geometry"].problems == ("no face",)


def test_batches_hold_several_images_of_a_person_and_differ_by_epoch():
    people = [i % 10 for i in range(60)]
    sampler = PeopleBatches(people, 12, 3)
    first = list(sampler)
    sampler.set_epoch(1)
    second = [[key % 60 for key in batch] for batch in sampler]
    assert len(first) == len(sampler) == 5 and first != second
    for batch in first:
        assert set(Counter(people[i] for i in batch).values()) <= {3, 6, 9, 12}
    assert len({i for batch in first for i in batch}) == 60


def test_processes_get_equally_many_batches_of_their_own():
    people = [i % 7 for i in range(50)]
    shares = [list(PeopleBatches(people, 8, 2, rank, 2)) for rank in (0, 1)]
    assert len(shares[0]) == len(shares[1]) and shares[0] != shares[1]
    lonely = list(PeopleBatches([0, 1], 64, 2, 0, 1))
    assert len(lonely) == 1 and set(lonely[0]) == {0, 1}
    with pytest.raises(VisusError, match="at least two"):
        PeopleBatches([0, 0], 8, 2)


def test_augmentations_differ_and_repeat_with_the_seed():
    import torch

    face = np.asarray(Image.fromarray(astronaut()).resize((64, 64)))
    transform = FaceTransform("faces")
    torch.manual_seed(3)
    first, second = transform(face), transform(face)
    torch.manual_seed(3)
    np.testing.assert_array_equal(FaceTransform("faces")(face), first)
    assert first.shape == face.shape and not np.array_equal(first, second)
    with pytest.raises(VisusError, match=r"data.augment 'photos' is unknown"):
        FaceTransform("photos")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"batch_size": 2, "images_per_person": 2}, "must hold two people"),
        ({"images_per_person": 0}, "images_per_person 0"),
    ],
)
def test_wrong_arguments_are_refused(tmp_path, arguments, words):
    with pytest.raises(VisusError, match=words):
        data(tmp_path, **arguments)


def test_folders_without_people_are_refused(tmp_path):
    with pytest.raises(VisusError, match="needs a folder for each person"):
        data(tmp_path).dataset("train")
    with pytest.raises(VisusError, match="no such folder"):
        data(tmp_path / "none").dataset("train")
