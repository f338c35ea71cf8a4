"""segmentation_models.pytorch: a decoder on EfficientNet-Lite0 in a plain LightningModule.

The recipe of the package's CamVid example for several classes, an FPN: random scales and crops,
mirroring, cross entropy and Dice, AdamW; the encoder learns at a third of the decoder's rate, and
both rates follow a cosine of the time.
"""

import math
from datetime import timedelta
from pathlib import Path
from typing import Any

import albumentations as A
import cv2
import numpy as np
import pytorch_lightning as pl
import segmentation_models_pytorch as smp
import torch
from lite0 import NAME, load_features
from numpy.typing import NDArray
from peer import Progress, parse_trial
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

UNLABELLED = 255
MULTIPLE = 32
LONGEST = 512
CROP = 320
BATCH = 8
RATE = 1e-3
WARM_UP = 0.05


def read_rgb(path: Path) -> NDArray[np.uint8]:
    """Decode an image, uint8 of shape (height, width, 3)."""
    return np.asarray(cv2.imread(str(path), cv2.IMREAD_COLOR_RGB), np.uint8)


def list_files(folder: Path) -> list[Path]:
    """The files of a folder, by name."""
    return sorted(folder.iterdir())


def masks_of(images: Path) -> list[Path]:
    """The masks of `images/<split>`, which lie in `masks/<split>`, in the order of the images."""
    return list_files(images.parent.parent / "masks" / images.name)


class Masked(Dataset[tuple[Tensor, Tensor]]):
    """Augmented images with their masks.

    Args:
        images: The folder of the images.
    """

    def __init__(self, images: Path) -> None:
        self.pairs = list(zip(list_files(images), masks_of(images), strict=True))
        self.steps = A.Compose(
            [
                A.LongestMaxSize(LONGEST),
                A.RandomScale((-0.5, 1.0), p=1.0),
                A.PadIfNeeded(CROP, CROP, fill_mask=UNLABELLED),
                A.RandomCrop(CROP, CROP),
                A.HorizontalFlip(p=0.5),
                A.ColorJitter(0.3, 0.3, 0.3, 0.02, p=0.8),
            ]
        )

    def __len__(self) -> int:
        """Number of images."""
        return len(self.pairs)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        """An image, uint8 (3, height, width), and its mask, int64 (height, width)."""
        image, mask = self.pairs[index]
        truth = cv2.imread(str(mask), cv2.IMREAD_UNCHANGED)
        result = self.steps(image=read_rgb(image), mask=truth)
        planes = np.ascontiguousarray(result["image"].transpose(2, 0, 1))
        return torch.from_numpy(planes), torch.from_numpy(result["mask"].astype(np.int64))


class Segmenter(pl.LightningModule):
    """A network of segmentation_models.pytorch.

    Args:
        architecture: `unet` or `fpn`.
        classes: Number of classes.
        weights: The starting weights of the encoder.
        progress: The training time.
    """

    def __init__(self, architecture: str, classes: int, weights: Path, progress: Progress) -> None:
        super().__init__()
        kind = {"unet": smp.Unet, "fpn": smp.FPN}[architecture]
        self.network = kind(f"tu-{NAME}", encoder_weights=None, classes=classes)
        load_features(self.network.encoder, weights, "model.")
        self.progress = progress
        self.dice = smp.losses.DiceLoss("multiclass", ignore_index=UNLABELLED)
        self.cross_entropy = nn.CrossEntropyLoss(ignore_index=UNLABELLED)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (N, classes, height, width) of uint8 images; timm's lite0 expects -1 to 1."""
        scaled = images.contiguous(memory_format=torch.channels_last).float() / 127.5 - 1
        logits: Tensor = self.network(scaled)
        return logits

    def training_step(self, batch: tuple[Tensor, Tensor], index: int) -> Tensor:
        """The loss of a batch."""
        images, masks = batch
        logits = self(images)
        loss: Tensor = self.cross_entropy(logits, masks) + self.dice(logits, masks)
        return loss

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        """Set the learning rates: a short warm-up, then a cosine to zero."""
        done = self.progress.fraction
        rest = max(0.0, (done - WARM_UP) / (1 - WARM_UP))
        factor = min(1.0, done / WARM_UP) * (1 + math.cos(math.pi * rest)) / 2
        for group in self.trainer.optimizers[0].param_groups:
            group["lr"] = factor * group["initial_lr"]

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        """End the training if another step would take too long."""
        self.trainer.should_stop = self.progress.over()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """AdamW with a lower rate for the encoder."""
        encoder = list(self.network.encoder.parameters())
        known = set(map(id, encoder))
        others = [p for p in self.network.parameters() if id(p) not in known]
        groups = [
            {"params": encoder, "lr": RATE / 3, "initial_lr": RATE / 3},
            {"params": others, "lr": RATE, "initial_lr": RATE},
        ]
        return torch.optim.AdamW(groups, RATE, weight_decay=0.01)


def predict(network: Segmenter, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The class ids (height, width) of an image."""
    height, width = image.shape[:2]
    scale = min(1.0, LONGEST / max(height, width))
    size = [max(MULTIPLE, round(side * scale / MULTIPLE) * MULTIPLE) for side in (height, width)]
    resized = cv2.resize(image, (size[1], size[0]), interpolation=cv2.INTER_AREA)
    planes = torch.from_numpy(np.ascontiguousarray(resized.transpose(2, 0, 1)))
    logits = network(planes[None])
    full = nn.functional.interpolate(logits, (height, width), mode="bilinear")
    return full[0].argmax(0).numpy().astype(np.uint8)


def main() -> None:
    """Train, and write the masks of the validation images."""
    given = parse_trial(__doc__, ("--architecture", ("fpn", "unet")))
    trial = given.trial
    pl.seed_everything(trial.seed, workers=True, verbose=False)
    names = (trial.train.parent.parent / "classes.csv").read_text(encoding="utf-8").splitlines()[1:]
    loader = DataLoader(
        Masked(trial.train),
        BATCH,
        shuffle=True,
        drop_last=True,
        num_workers=2,
        persistent_workers=True,
    )
    progress = Progress(trial)
    network = Segmenter(given.architecture, len(names), trial.weights, progress)
    network.to(memory_format=torch.channels_last)
    trainer = pl.Trainer(
        accelerator="cpu",
        max_time=timedelta(seconds=progress.seconds),
        max_epochs=-1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(network, loader)
    torch.save(network.state_dict(), trial.output.parent / "last.pth")
    trial.trained(("segmentation_models_pytorch", "pytorch_lightning", "torch"))
    trial.output.mkdir(exist_ok=True)
    network.eval()
    with torch.inference_mode():
        for path in list_files(trial.val):
            mask = predict(network, read_rgb(path))
            cv2.imwrite(str(trial.output / f"{path.stem}.png"), mask)


if __name__ == "__main__":
    main()
