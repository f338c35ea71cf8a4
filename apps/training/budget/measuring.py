"""Measure how long training steps take on this machine, for the plan of a time budget."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pydoc import locate
from typing import Any

import torch
from torch.utils.data import Subset

from visus.apps.training.budget import clock
from visus.apps.training.budget.clock import Budget
from visus.apps.training.budget.plan import Candidate, Measured
from visus.apps.training.budget.timing import seconds_per_step
from visus.apps.training.memory_errors import is_out_of_memory, is_worker_death
from visus.datamodules.core.base import VisionDataModule
from visus.datamodules.core.loading import make_loader
from visus.models.weights import has_imagenet_weights
from visus.tasks.base import VisionTask
from visus.tasks.budget import BudgetChoices
from visus.tasks.data_info import info_from_data
from visus.tasks.registry import task_spec
from visus.vision.errors import VisusError
from visus.vision.wording import counted

_BATCH = 8
"""Samples in a measured step: a sample takes about as long in larger batches."""

_SHARE = 0.1
"""Fraction of the budget that measuring may take: larger backbones are left out after it."""

_STRIDE = 32
"""Sides of the input are multiples of this, the largest stride of backbones."""

_LOADED = 4
"""Samples that are loaded to measure how long that takes."""

_LEAST_CROP = 128
"""Sides of training crops in pixels, below which they show too little of their surroundings."""


_MIXED = "bf16-mixed"
"""Lightning's name of half precision, in bfloat16."""

_DEFAULT_PRECISIONS = (None, "32-true", "32", 32)
_WORTHWHILE = 1.2
"""Speed-up from which half precision is chosen."""


class Measurer:
    """Trains a few steps with each candidate.

    Args:
        model: `class_path` and `init_args` of the task.
        data: `class_path` and `init_args` of the data module.
        trainer: `accelerator`, `devices` and `precision` of the trainer.
        given: Options of the command line, which are not chosen.
        has_weights: Whether the backbone is trained already; features of another are worth nothing.

    Attributes:
        choices: What the task may choose from.
        data: The data module with the user's arguments.
    """

    def __init__(
        self,
        model: Mapping[str, Any],
        data: Mapping[str, Any],
        trainer: Mapping[str, Any],
        given: Collection[str],
        has_weights: bool,
    ) -> None:
        self._task_class: Any = _class_at(model["class_path"])
        self._model = dict(model["init_args"])
        self._data_class: Any = _class_at(data["class_path"])
        self._arguments = dict(data["init_args"])
        self._trainer = dict(trainer)
        self._given = given
        self.data: VisionDataModule[Any] = self._data_class(**self._arguments)
        self.choices: BudgetChoices = task_spec(self._task_class.task).budget
        scales = type(self.data).scale_training_images is not VisionDataModule.scale_training_images
        self.choices = replace(
            self.choices,
            grows=self.choices.grows and scales,
            fits_head=self.choices.fits_head and has_weights,
            enlarged=self.choices.enlarged if self._model.get("pretrained") else (),
        )

    def measure(self, budget: Budget) -> Measured:
        """Measure the candidates.

        Args:
            budget: The time budget, of which this takes a small part.

        Raises:
            VisusError: If the data are too few, or memory is too small for the first candidate.
        """
        for split in ("train", "val"):
            # That of the base class decodes no clips, in a size that may not be trained.
            VisionDataModule.checked_dataset(self.data, split)
        sizes, larger = self._sizes()
        backbones = self._backbones()
        samples = len(self.data.dataset("train"))  # type: ignore[arg-type]
        classes = len(getattr(self.data, "class_names", ()))
        needed = self.choices.epochs_needed(samples, classes) * samples
        # The data have been read by now, which takes less time when they are read again.
        began = budget.elapsed
        limit = _SHARE / 4 * budget.seconds
        smallest, last = (self._candidate(backbones[0], size) for size in (sizes[0], sizes[-1]))
        with self._explained_shortage(last):
            largest_seconds, speed_up = self._choose_precision(last, limit)
        seconds = {last: largest_seconds}
        if smallest != last:
            with self._explained_shortage(smallest):
                smallest_seconds = self._sample_seconds(smallest, limit)
            ends = {smallest: smallest_seconds, last: largest_seconds}
            for size in sizes[:-1]:
                seconds[self._candidate(backbones[0], size)] = _interpolate(ends, size)
        more = [self._candidate(backbones[0], size) for size in larger]
        more += [self._candidate(backbone, sizes[-1]) for backbone in backbones[1:]]
        for candidate in more:
            pays = budget.left >= needed * seconds[last]
            if not pays or budget.elapsed - began > _SHARE * budget.seconds:
                break
            try:
                seconds[candidate] = self._sample_seconds(candidate, limit)
            except Exception as error:
                if not is_out_of_memory(error) and not is_worker_death(error):
                    raise
                # The memory is too small for it.
                continue
            last = candidate
        ordered = sorted(seconds, key=lambda each: (backbones.index(each.backbone), each.size))
        return Measured(
            samples,
            len(self.data.dataset("val")),  # type: ignore[arg-type]
            classes,
            self.data.batch_size,
            {candidate: seconds[candidate] for candidate in ordered},
            self._load_seconds(),
            speed_up,
        )

    @property
    def precision(self) -> Any:
        """The trainer's precision, after it was chosen."""
        return self._trainer["precision"]

    def share_listing(self, data: Any) -> None:
        """Let another data module of the same data use what was read, checked and split here."""
        if "listing" in vars(self.data):
            read = vars(self.data).keys() & {"listing", "splits", "cache"}
            vars(data).update({name: vars(self.data)[name] for name in read})
            data.skipped = self.data.skipped

    def _sizes(self) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        """Input sizes in ascending order, and larger ones, which are tried where there is time."""
        height, width = (int(side) for side in self.data.image_size)
        if "--data.image_size" in self._given or "image_size" not in self._arguments:
            return [(height, width)], []
        shorter = min(height, width)
        enlarged = [side / shorter for side in self.choices.enlarged if side > shorter]
        least_scale = self.data.least_scale
        reduced = [scale for scale in self.choices.sizes if least_scale <= scale <= 1]
        larger = [scale for scale in self.choices.sizes if 1 < scale <= self.data.largest_scale]
        least = min(self.choices.enlarged, default=0)
        scaled = {
            (_multiple(height * scale), _multiple(width * scale))
            for scale in (*reduced, *enlarged)
            if scale == 1 or shorter * scale >= least
        }
        enlarged_sizes = [(_multiple(height * s), _multiple(width * s)) for s in larger]
        return sorted(scaled), [size for size in enlarged_sizes if size not in scaled]

    def _load_seconds(self) -> float:
        """Seconds in which the loading processes load a validation sample, of its full size."""
        dataset = self.data.plain_dataset("val")
        size = len(dataset)  # type: ignore[arg-type]
        count = min(_LOADED, size)
        # The first is not counted, as it warms up.
        chosen = [0, *(index * size // count for index in range(count))]
        start = clock.now()
        for number, _ in enumerate(make_loader(Subset(dataset, chosen), 1, 0)):
            if number == 0:
                start = clock.now()
        return (clock.now() - start) / count / max(1, self.data.num_workers)

    def _choose_precision(self, candidate: Candidate, limit: float) -> tuple[float, float]:
        """Choose half precision where it is faster; the time of a sample, and the speed-up."""
        seconds = self._sample_seconds(candidate, limit)
        is_free = self._trainer["precision"] in _DEFAULT_PRECISIONS
        if "--trainer.precision" in self._given or not is_free:
            return seconds, 1.0
        if not _computes_bfloat16(self._trainer["accelerator"]):
            return seconds, 1.0
        default, self._trainer["precision"] = self._trainer["precision"], _MIXED
        mixed = self._sample_seconds(candidate, limit)
        if seconds > _WORTHWHILE * mixed:
            return mixed, seconds / mixed
        self._trainer["precision"] = default
        return seconds, 1.0

    def _candidate(self, backbone: str, size: tuple[int, int]) -> Candidate:
        if "--data.crop_size" in self._given or "crop_size" not in self._arguments:
            return Candidate(backbone, size)
        own, whole = self._arguments["crop_size"], self.data.image_size
        scales = [self.choices.crop] * 2
        if own is not None:
            scales = [part / side for part, side in zip(own, whole, strict=True)]
        height, width = (
            min(side, max(_LEAST_CROP, _multiple(side * scale)))
            for side, scale in zip(size, scales, strict=True)
        )
        return Candidate(backbone, size, (height, width))

    def _backbones(self) -> list[str]:
        """The backbone of the configuration, or a family whose weights are on this machine."""
        own = self._model["backbone"]
        family = self.choices.backbones
        if "--model.backbone" in self._given or own not in family or not self._model["pretrained"]:
            return [own]
        return [own, *(name for name in family if name != own and has_imagenet_weights(name))]

    def _sample_seconds(self, candidate: Candidate, limit: float) -> float:
        """Seconds of a training step for one sample.

        Args:
            candidate: The backbone and the input size.
            limit: Most seconds to measure.
        """
        arguments = self._arguments | {"batch_size": self._batch_size}
        if candidate.size != tuple(self.data.image_size):
            arguments["image_size"] = list(candidate.size)
        if candidate.crop is not None:
            arguments["crop_size"] = list(candidate.crop)
        data = self._data_class(**arguments)
        self.share_listing(data)
        # Random weights are as fast as trained ones.
        model = self._model | {"backbone": candidate.backbone, "pretrained": False}
        model.pop("data_info", None)
        info_class = task_spec(self._task_class.task).data_info
        task: VisionTask = self._task_class(data_info=info_from_data(info_class, data), **model)
        return seconds_per_step(task, data, self._trainer, limit) / float(data.batch_size)

    @property
    def _batch_size(self) -> int:
        return min(_BATCH, self.data.batch_size)

    @contextmanager
    def _explained_shortage(self, candidate: Candidate) -> Iterator[None]:
        """Explain a lack of memory without which nothing can be planned."""
        try:
            yield
        except Exception as error:
            if not is_out_of_memory(error) and not is_worker_death(error):
                raise
            height, width = candidate.size
            raise VisusError(
                f"--budget: out of memory while measuring steps of "
                f"{counted(self._batch_size, 'image')} of {height} x {width} "
                f"({' '.join(str(error).split()):.200}); give a smaller --data.image_size, "
                "--data.batch_size or --data.num_workers"
            ) from None


def _computes_bfloat16(accelerator: str) -> bool:
    """Whether the GPU, or without one the CPU, has units for matrices of bfloat16.

    On CPUs with vector instructions alone, training steps are no faster with it.
    """
    if accelerator != "cpu" and torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    # Older versions of PyTorch do not say.
    capabilities: Any = getattr(torch.cpu, "get_capabilities", dict)
    return bool(capabilities().get("amx_bf16"))


def _class_at(path: str) -> Any:
    return locate(path)


def _multiple(side: float) -> int:
    return max(_STRIDE, round(side / _STRIDE) * _STRIDE)


def _interpolate(ends: Mapping[Candidate, float], size: tuple[int, int]) -> float:
    """Seconds at a size between two: the time is linear in the number of pixels."""
    (small, low), (large, high) = ends.items()
    areas = [each[0] * each[1] for each in (small.size, size, large.size)]
    return low + (high - low) * (areas[1] - areas[0]) / max(1, areas[2] - areas[0])
