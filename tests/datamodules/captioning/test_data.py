import json

import numpy as np
import pytest
import torch

from tests.conftest import save_captions
from visus.datamodules.captioning.augment import CaptionTransform
from visus.datamodules.captioning.data import ImageCaptioningData
from visus.datamodules.captioning.scenes import ScenesCaptioningData
from visus.vision.errors import VisusError
from visus.vision.scenes import make_scene
from visus.vision.vocabulary import END, SPECIAL_TOKENS, UNKNOWN, tokenise


def data(root, **arguments):
    given = {"image_size": (32, 32), "num_workers": 0, "batch_size": 2, "min_count": 1}
    return ImageCaptioningData(str(root), **{**given, **arguments})


def test_the_vocabulary_holds_frequent_words_of_training_only(tmp_path):
    captions = data(save_captions(tmp_path, 8), min_count=2)
    assert captions.class_names[: len(SPECIAL_TOKENS)] == SPECIAL_TOKENS
    texts = [text for each in captions.train_captions for text in each]
    words = [word for text in texts for word in tokenise(text)]
    assert set(captions.class_names[4:]) == {word for word in words if words.count(word) > 1}
    with pytest.raises(VisusError, match="no word occurs 99 times"):
        print(data(tmp_path, min_count=99).class_names)


def test_a_training_sample_holds_word_ids(tmp_path):
    captions = data(save_captions(tmp_path, 8), captions_per_image=3, max_words=6)
    sample = captions.dataset("train")[0]
    assert sample["words"].shape == (3, 6) and sample["words"].dtype == torch.int64
    assert (sample["words"] == END).sum(1).tolist() == [1, 1, 1]
    assert not (sample["words"] == UNKNOWN).any()
    evaluated = captions.dataset("val")[0]
    assert set(evaluated) == {"image", "source", "geometry", "truth"}
    assert evaluated["truth"].captions


def test_unknown_words_are_reported_and_a_vocabulary_without_any_is_refused(tmp_path, capsys):
    root = save_captions(tmp_path, 8)
    few = data(root, class_names=[*SPECIAL_TOKENS, "a", "red", "circle"])
    assert few.splits["train"]
    assert "words of the captions are not in the model's vocabulary" in capsys.readouterr().err
    with pytest.raises(VisusError, match=r"fatal: .* not in the model's vocabulary"):
        print(data(root, class_names=[*SPECIAL_TOKENS, "un", "cercle"]).splits)


def test_images_are_mirrored_unless_a_caption_contains_left_or_right():
    image = np.zeros((32, 32, 3), np.uint8)
    image[:, :14] = 255
    transform = CaptionTransform("captions", (32, 32), "stretch")

    def bright_halves(*captions):
        augmented = [transform(image, captions) for _ in range(30)]
        return {bool(a[:, :16].mean() > a[:, 16:].mean()) for a in augmented}

    assert bright_halves("a bright stripe") == {True, False}
    assert bright_halves("a bright stripe", "a stripe on the left") == {True}
    with pytest.raises(VisusError, match=r"data.augment 'mirror' is unknown"):
        CaptionTransform("mirror", (32, 32), "stretch")


def test_captions_of_scenes_are_true_and_in_the_vocabulary():
    scenes = ScenesCaptioningData(40, (64, 64), num_workers=0)
    for i in range(10):
        sample = scenes.dataset("val")[i]
        (caption,) = sample["truth"].captions
        assert sample["truth"].is_correct(caption)
        seed = int(sample["source"])
        assert caption == make_scene(seed, (64, 64)).caption()
        assert not sample["truth"].is_correct("a pink elephant")
        assert not (scenes.dataset("train")[i]["words"] == UNKNOWN).any()


def test_wrong_arguments_are_refused(tmp_path):
    with pytest.raises(VisusError, match=r"data.views 0 must be at least 1"):
        data(tmp_path, views=0)
    (tmp_path / "captions.json").write_text(json.dumps([{"image": "a.png", "captions": ["a"]}]))
    with pytest.raises(VisusError, match=r"there is no file 'a\.png'"):
        print(data(tmp_path).splits)


def test_only_test_images_are_named_as_such(tmp_path):
    root = save_captions(tmp_path, 4)
    content = json.loads((root / "captions.json").read_text())
    (root / "captions.json").unlink()
    (root / "captions_test.json").write_text(json.dumps(content))
    with pytest.raises(VisusError, match="no images of the split train, only of test") as raised:
        print(data(root).class_names)
    assert "min_count" not in str(raised.value)
