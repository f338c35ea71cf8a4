"""Data sets of windows of clips."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from visus.datamodules.action.augment import ClipTransform
from visus.datamodules.action.files import Clip, interval_name
from visus.datamodules.action.windows import Sampling, Window
from visus.datamodules.core.loading import Batch, SourceDataset, to_tensor
from visus.vision.images import Pixels
from visus.vision.metadata import ResizeMode
from visus.vision.resize import Geometry, resize_to_input, to_channels

ReadFrames = Callable[[Clip, Sequence[float]], Sequence[Pixels]]
"""Function from a clip and times in seconds to its frames, uint8 RGB (height, width, 3) each."""


class ClipDataset(SourceDataset[Sequence[Pixels], ClipTransform]):
    """Windows of clips with their classes.

    Args:
        sources: The windows.
        frames: Function that reads frames of a clip.
        labels: Class ids of shape (windows,), or rows of zeros and ones (windows, classes).
        sampling: How a window is sampled.
        size: (height, width) of the network's input in pixels.
        mode: How frames are resized to that size.
        in_channels: Channels of the network's input: 3 for RGB, 1 for grey.
        transform: Augmentation for training, which also resizes; None for evaluation.
    """

    def __init__(
        self,
        sources: Sequence[Window],
        frames: ReadFrames,
        labels: NDArray[np.integer] | NDArray[np.floating],
        sampling: Sampling,
        size: tuple[int, int],
        mode: ResizeMode,
        in_channels: int = 3,
        transform: ClipTransform | None = None,
    ) -> None:
        super().__init__(sources, self._window, size, mode, in_channels, transform)
        self.frames = frames
        self.labels = torch.from_numpy(labels)
        self.sampling = sampling
        self._geometries: dict[tuple[int, int], Geometry] = {}

    def name(self, index: int) -> str:
        """Name of a window in reports: its video and its interval."""
        window: Window = self.sources[index]
        clip = window.clip
        if not window.indices:
            return str(clip)
        start = clip.start + window.indices[0] * self.sampling.step
        return interval_name(clip.path, start, min(start + self.sampling.seconds, clip.end))

    def image(self, index: int) -> Pixels:
        """The frame in the middle of a window, uint8 of shape (height, width, 3)."""
        frames = self.read(self.sources[index])
        return np.asarray(frames[len(frames) // 2])

    def __getitem__(self, index: int) -> Batch:
        """One window.

        Returns:
            - `image`: uint8 tensor of shape (frames, in_channels, *size);
            - `label`, the class id, or `labels`, a row of zeros and ones;
            - `source`: name of the window;
            - `clip`: name of its clip, whose windows count together;
            - `geometry`: the mapping to the video's frames, unless augmented.
        """
        clip: Clip = self.sources[index].clip
        item = self.targets(index)
        frames = self.read(self.sources[index])
        if self.transform is None:
            item["geometry"] = self._geometry(clip.size)
            frames = [self._resize(frame) for frame in frames]
        else:
            frames = list(self.transform(frames))
        planes = [to_tensor(to_channels(frame, self.in_channels)) for frame in frames]
        item["image"] = torch.stack(planes)
        return item

    def targets(self, index: int) -> Batch:
        """A window without its frames and geometry."""
        item: Batch = {"source": self.name(index), "clip": str(self.sources[index].clip)}
        item["labels" if self.labels.ndim == 2 else "label"] = self.labels[index]
        return item

    def _window(self, window: Window) -> Sequence[Pixels]:
        """The frames of a window: of its indices, or of random ones."""
        clip = window.clip
        indices: Sequence[int] = window.indices
        if not indices:
            # PyTorch's generator follows from (seed, epoch, index); see `SeededDataset`.
            rng = np.random.default_rng(int(torch.randint(2**31 - 1, ())))
            indices = self.sampling.random_window(self.sampling.grid_size(clip), rng)
        return self.frames(clip, [self.sampling.time(clip, index) for index in indices])

    def _resize(self, frame: Pixels) -> Pixels:
        # Frames for evaluation are stored at this size.
        if frame.shape[:2] == self.size:
            return frame
        return resize_to_input(frame, self.size, self.mode)[0]

    def _geometry(self, source_size: tuple[int, int]) -> Geometry:
        if source_size not in self._geometries:
            empty = np.zeros((*source_size, 1), np.uint8)
            self._geometries[source_size] = resize_to_input(empty, self.size, self.mode)[1]
        return self._geometries[source_size]
