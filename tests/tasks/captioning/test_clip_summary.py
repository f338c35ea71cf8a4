import numpy as np
import pytest
import torch

from visus.apps.inference.loading import torch_model
from visus.tasks.captioning.clip_summary import ClipSummary
from visus.tasks.captioning.data_info import CaptioningInfo
from visus.tasks.captioning.task import CaptioningTask
from visus.vision.frames import Frame
from visus.vision.vocabulary import SPECIAL_TOKENS


def features_of_a_clip(monkeypatch, frames, count):
    """What a captioner of clips of `frames` frames decodes of a clip of `count` frames.

    The feature map of a frame holds its number.
    """
    info = CaptioningInfo(
        image_size=(32, 32),
        class_names=(*SPECIAL_TOKENS, "a", "cat"),
        in_channels=3,
        resize_mode="stretch",
        max_words=3,
        frames=frames,
    )
    task = CaptioningTask(info, backbone="resnet9", hidden_size=16).eval()
    decoded, decode = [], task.decode
    numbers = iter(range(count))
    monkeypatch.setattr(
        task, "extract_features", lambda images: torch.full((1, 256, 2, 2), float(next(numbers)))
    )
    monkeypatch.setattr(task, "decode", lambda given: decoded.append(given) or decode(given))
    summary = ClipSummary(torch_model("captioner", task))
    image = np.zeros((40, 40, 3), np.uint8)
    for i in range(count):
        summary.add_frame(Frame(image, "clip.mp4", i, i / 25, 0.0), None)
    assert summary.lines()[0].startswith("as a whole: ")
    return decoded[0]


@pytest.mark.parametrize("count", [3, 60, 2000])
def test_a_model_of_clips_captions_frames_at_equal_distances(monkeypatch, count):
    features = features_of_a_clip(monkeypatch, 4, count)
    assert features.shape == (1, 4, 256, 2, 2)
    found = features[0, :, 0, 0, 0].numpy()
    expected = (np.arange(4) + 0.5) / 4 * (count - 1)
    # Of a long clip, frames are kept that are at most a thirty-second part of it apart.
    assert np.abs(found - expected).max() <= max(0.5, count / 32)


def test_a_model_of_images_captions_the_mean_of_all_frames(monkeypatch):
    features = features_of_a_clip(monkeypatch, 1, 11)
    assert features.shape == (1, 256, 2, 2) and float(features.mean()) == 5
