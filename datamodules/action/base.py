"""The data module that those for action recognition extend."""

from abc import abstractmethod
from collections.abc import Sequence

from torch.utils.data import Dataset

from visus.datamodules.action.augment import ClipAugmentation, ClipTransform
from visus.datamodules.action.dataset import ClipDataset, ReadFrames
from visus.datamodules.action.files import Clip
from visus.datamodules.action.windows import Sampling, Window, evaluation_windows
from visus.datamodules.core.base import VisionDataModule
from visus.datamodules.core.class_labels import encode_labels, refuse_several
from visus.datamodules.core.loading import Batch
from visus.datamodules.core.ranges import check_data_ranges


class ActionData(VisionDataModule[ClipAugmentation]):
    """Base class of the data modules for action recognition.

    A sample is a window: `frames` frames at equal distances over `seconds`. Training takes one at a
    random position of each clip; evaluation takes the windows that cover a clip.

    Args:
        frames: Frames of a window.
        seconds: Duration of a window.
        batch_size: Windows per batch and process.
        num_workers: Worker processes that load clips; one for each core but the first by default.
        augment: Augmentation of the training clips.

    Attributes:
        class_counts: Number of training clips of each class; None if unknown.
        multi_label: Whether a clip may have several labels, given as rows of zeros and ones.
    """

    class_counts: list[int] | None
    multi_label: bool = False
    checkpoint_arguments = (*VisionDataModule.checkpoint_arguments, "frames", "seconds")

    def __init__(
        self,
        frames: int,
        seconds: float,
        batch_size: int,
        num_workers: int | None,
        augment: ClipAugmentation,
    ) -> None:
        super().__init__(batch_size, num_workers, augment)
        check_data_ranges(frames=frames, seconds=seconds)
        self.frames = frames
        self.seconds = seconds

    @property
    def sampling(self) -> Sampling:
        """How a window is sampled."""
        return Sampling(self.frames, self.seconds)

    @abstractmethod
    def clips(self, split: str) -> Sequence[Clip]:
        """The clips of a split."""

    @abstractmethod
    def reader(self, augmented: bool) -> ReadFrames:
        """The function that reads frames, for training with augmentation or for evaluation."""

    @abstractmethod
    def transform(self) -> ClipTransform:
        """The augmentation of training clips."""

    def dataset(self, split: str) -> Dataset[Batch]:
        """See `VisionDataModule.dataset`; `ClipDataset` describes the samples."""
        return self._dataset(split, augmented=split == "train")

    def plain_dataset(self, split: str) -> Dataset[Batch]:
        """See `VisionDataModule.plain_dataset`."""
        return self._dataset(split, augmented=False)

    def _dataset(self, split: str, augmented: bool) -> ClipDataset:
        clips = self.clips(split)
        if not self.multi_label:
            refuse_several(clips)
        windows = [Window(clip) for clip in clips]
        if not augmented:
            windows = evaluation_windows(clips, self.sampling)
        labels = [window.clip.labels for window in windows]
        return ClipDataset(
            windows,
            self.reader(augmented),
            encode_labels(labels, tuple(self.class_names), self.multi_label),
            self.sampling,
            self.image_size,
            self.resize_mode,
            self.in_channels,
            self.transform() if augmented else None,
        )
