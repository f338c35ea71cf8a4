"""Data set of clips with captions."""

from typing import NamedTuple

import torch

from visus.datamodules.captioning.dataset import CaptioningDataset
from visus.datamodules.core.loading import Batch, to_tensor
from visus.vision.images import Pixels
from visus.vision.resize import resize_to_input
from visus.vision.truth import CaptionTruth


class CaptionedFrames(NamedTuple):
    """Frames of a clip, uint8 RGB of equal shapes (height, width, 3), with its captions."""

    frames: list[Pixels]
    truth: CaptionTruth


class ClipCaptioningDataset(CaptioningDataset):
    """Clips with captions; `read` turns a source into `CaptionedFrames`."""

    def __getitem__(self, index: int) -> Batch:
        """One sample, as of images, with `image` of shape (frames, 3, height, width)."""
        frames, truth = self._read(index)
        item: Batch = {"source": self.name(index)}
        if self.transform is None:
            resized = [resize_to_input(frame, self.size, self.mode) for frame in frames]
            frames = [frame for frame, _ in resized]
            item |= {"geometry": resized[0][1], "truth": truth}
        else:
            frames = self.transform.augment_clip(frames, truth.captions)
            item |= self.words(index, truth.captions)
        item["image"] = torch.stack([to_tensor(frame) for frame in frames])
        return item

    def image(self, index: int) -> Pixels:
        """The frame in the middle of a clip, uint8 of shape (height, width, 3)."""
        frames = self._read(index).frames
        return frames[len(frames) // 2]

    def _read(self, index: int) -> CaptionedFrames:
        sample: CaptionedFrames = self.read(self.sources[index])
        return sample


def frame_times(seconds: float, frames: int) -> list[float]:
    """Times of the frames in which a clip is captioned: the middles of equal parts of it.

    Args:
        seconds: Duration of the clip.
        frames: Number of parts.
    """
    return [(i + 0.5) / frames * seconds for i in range(frames)]
