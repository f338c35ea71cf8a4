"""fastai: transfer learning of EfficientNet-Lite0 by `fine_tune`, within a time.

The recipe of fastai's book and of its image tutorials: a new head trained alone for one epoch, then
all layers at discriminative learning rates under one cycle; presizing, random resized crops,
`aug_transforms`, label smoothing, channels-last memory, and test-time augmentation. `fine_tune`
counts epochs; here its two phases follow the clock, so that the cycle is complete at the end.
"""

import csv
import tempfile
from pathlib import Path

import torch
from fastai.callback.channelslast import ChannelsLast
from fastai.vision.all import (
    Callback,
    CancelFitException,
    CancelValidException,
    CategoryBlock,
    DataBlock,
    DataLoaders,
    FuncSplitter,
    ImageBlock,
    LabelSmoothingCrossEntropy,
    Learner,
    RandomResizedCrop,
    Resize,
    aug_transforms,
    get_image_files,
    parent_label,
    set_seed,
    vision_learner,
)
from lite0 import NAME, lite0_state
from peer import Progress, Trial, parse_trial

SIZE = 224
PRESIZE = 256
BATCH = 32
BASE_RATE = 2e-3
HEAD_SHARE = 0.2
"""Most of the time that the head is trained alone; one epoch, if that takes less."""


class Clock(Callback):
    """Lets the schedule follow the time, ends the training in time, and leaves validation out.

    Args:
        progress: The training time.
        end: The fraction of it at which this fit ends at the latest.
    """

    order = -5  # after fastai has set its own fraction, before the schedules read it

    def __init__(self, progress: Progress, end: float = 1.0) -> None:
        self.progress = progress
        self.start = progress.fraction
        self.end = end

    def before_batch(self) -> None:
        """Set the fraction of this fit that is done."""
        if self.training:
            done = (self.progress.fraction - self.start) / max(1e-6, self.end - self.start)
            self.learn.pct_train = min(1.0, done)

    def after_batch(self) -> None:
        """End the training if another step would take too long."""
        if self.training and (self.progress.over() or self.progress.fraction > self.end):
            raise CancelFitException

    def before_validate(self) -> None:
        """Validation would take time, and decides nothing."""
        raise CancelValidException


def load_data(trial: Trial) -> DataLoaders:
    """Class folders as fastai's data loaders."""
    block = DataBlock(
        blocks=(ImageBlock, CategoryBlock(vocab=sorted(p.name for p in trial.train.iterdir()))),
        get_items=lambda folders: [file for f in folders for file in get_image_files(f)],
        get_y=parent_label,
        splitter=FuncSplitter(lambda path: path.is_relative_to(trial.val)),
        item_tfms=[Resize(PRESIZE), RandomResizedCrop(SIZE, min_scale=0.35)],
        batch_tfms=aug_transforms(max_warp=0.0, max_rotate=10.0, max_zoom=1.0),
    )
    return block.dataloaders([trial.train, trial.val], bs=BATCH, num_workers=2)


def make_learner(trial: Trial, loaders: DataLoaders) -> Learner:
    """EfficientNet-Lite0 with the starting weights and fastai's head."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "lite0.pth"
        torch.save(lite0_state(trial.weights), file)
        return vision_learner(
            loaders,
            NAME,
            loss_func=LabelSmoothingCrossEntropy(),
            cbs=ChannelsLast(),
            pretrained_cfg_overlay={"file": str(file)},
        )


def main() -> None:
    """Train, and write the scores of the validation images."""
    trial = parse_trial(__doc__).trial
    set_seed(trial.seed, reproducible=True)
    loaders = load_data(trial)
    learner = make_learner(trial, loaders)
    progress = Progress(trial)
    cycle = 1_000_000
    with learner.no_bar(), learner.no_logging():
        learner.freeze()
        learner.fit_one_cycle(1, BASE_RATE, pct_start=0.99, cbs=Clock(progress, HEAD_SHARE))
        learner.unfreeze()
        rates = slice(BASE_RATE / 2 / 100, BASE_RATE / 2)
        learner.fit_one_cycle(cycle, rates, pct_start=0.3, div=5.0, cbs=Clock(progress))
        torch.save(learner.model.state_dict(), trial.output.parent / "last.pth")
        trial.trained(("fastai", "timm", "torch"))
        scores, _ = learner.tta()
    with trial.output.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["path", *loaders.vocab])
        for path, row in zip(loaders.valid.items, scores.tolist(), strict=True):
            writer.writerow([path.relative_to(trial.val).as_posix(), *row])


if __name__ == "__main__":
    main()
