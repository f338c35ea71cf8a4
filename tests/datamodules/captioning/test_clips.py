import re

import pytest
import torch

from visus.datamodules.captioning.clips import ClipCaptioningData
from visus.datamodules.captioning.described_motion import DIRECTIONS, DescribedMotion
from visus.datamodules.captioning.moving_scenes import MovingScenesCaptioningData
from visus.datamodules.captioning.samples import write_clips
from visus.datamodules.registry import data_specs
from visus.vision.errors import VisusError

SIZE = (48, 48)


@pytest.fixture
def clips(tmp_path):
    write_clips(tmp_path)
    return tmp_path


def data(root, **arguments):
    given = {"image_size": (32, 32), "frames": 4, "num_workers": 0, "min_count": 1}
    return ClipCaptioningData(str(root), **{**given, **arguments})


def test_a_sentence_is_true_of_its_clip_and_false_in_the_other_direction():
    seen = set()
    for seed in range(40):
        motion = DescribedMotion(seed, SIZE)
        assert motion.is_true(motion.caption), motion.caption
        assert motion.is_true(re.sub(r" (behind|in front of) .*", "", motion.caption))
        for other in set(DIRECTIONS) - {motion.direction}:
            wrong = motion.caption.replace(f"moves {motion.direction}", f"moves {other}")
            assert not motion.is_true(wrong)
        assert not motion.is_true("a pink elephant")
        seen.add((motion.direction, motion.order))
    assert len(seen) == 12
    exchanged = {"behind": "in front of", "in front of": "behind"}
    motion = next(m for m in (DescribedMotion(s, SIZE) for s in range(40)) if m.order)
    assert not motion.is_true(motion.caption.replace(motion.order, exchanged[motion.order]))


@pytest.mark.parametrize("seed", range(8))
def test_the_middle_frame_does_not_show_the_direction(seed):
    motion = DescribedMotion(seed, SIZE)
    frames = []
    for direction in DIRECTIONS:
        motion.direction = direction
        frames.append([motion.frame(time) for time in (0.0, 1.0)])
    for first, middle in frames[1:]:
        assert (middle == frames[0][1]).all() and (first != frames[0][0]).any()


def test_a_sample_has_the_frames_of_a_clip(clips):
    module = data(clips)
    training, evaluated = module.dataset("train")[0], module.dataset("val")[0]
    for sample in (training, evaluated):
        assert sample["image"].shape == (4, 3, 32, 32)
        assert sample["image"].dtype == torch.uint8
        assert not torch.equal(sample["image"][0], sample["image"][-1])
    assert len(module.dataset("train")) == 9 and len(module.dataset("val")) == 3
    assert evaluated["truth"].captions == (DescribedMotion(3, (96, 96)).caption,)
    assert MovingScenesCaptioningData(4, SIZE, 3, num_workers=0).dataset("val")[0][
        "image"
    ].shape == (3, 3, *SIZE)


def test_all_frames_of_a_clip_are_augmented_in_the_same_way(clips):
    transform = data(clips).dataset("train").transform
    frame = DescribedMotion(1, SIZE).frame(0.5)
    first, second = transform.augment_clip([frame, frame], ["a cat"])
    assert (first == second).all() and first.shape == (32, 32, 3)
    mirrored = [
        (transform.augment_clip([frame], [caption])[0] != first).any() for caption in ("up", "left")
    ]
    assert any(mirrored)


def test_every_problem_is_named_in_one_report(clips):
    lines = (clips / "clips.csv").read_text().splitlines()
    (clips / "videos/cut.mp4").write_bytes((clips / "videos/0.mp4").read_bytes()[:3000])
    (clips / "videos/empty.mp4").write_bytes(b"")
    lines += ["videos/cut.mp4,a cat,train", "videos/empty.mp4,a cat,", "absent.mp4,a cat,train"]
    lines += ["videos/1.mp4,,train", "videos/1.mp4,a cat,third", "../../secret.mp4,a cat,train"]
    (clips / "clips.csv").write_text("\n".join(lines) + "\n")
    report = data_specs()["captioning"].check(clips, {"allow_outside": False})
    report_text = "\n".join(f"{problem.place}: {problem.message}" for problem in report.problems)
    for number, words in enumerate(
        ("cut.mp4", "empty.mp4", "there is no file", "an empty caption", "split", "outside of"), 14
    ):
        assert re.search(rf"clips\.csv:{number}: .*{words}", report_text), (words, report_text)
    with pytest.raises(VisusError, match="holds no captions of videos"):
        data(clips / "videos").read_labels()
