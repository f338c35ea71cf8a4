"""torchvision's reference Faster R-CNN on EfficientNet-Lite0, within a time.

After references/detection: horizontal mirroring, frozen batch norm of the pretrained backbone, a
linear warm-up of at most 1,000 steps, and a cosine schedule that follows the clock. Of its two
optimisers AdamW, with which the reference trains its newer detectors: SGD at its rate of 0.02 for
16 images, scaled to the batch, diverges on this backbone. Images have at most 512 pixels a side, as
800 x 1333 would leave few steps on a CPU.
"""

import json
import math
import random
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
from lite0 import NAME, load_features
from peer import Progress, parse_trial
from PIL import Image
from timm.layers import freeze_batch_norm_2d
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision.models.detection import FasterRCNN
from torchvision.ops import FeaturePyramidNetwork
from torchvision.ops.feature_pyramid_network import LastLevelMaxPool

SIDES = (384, 512)
BATCH = 4
RATE = 2e-4
WEIGHT_DECAY = 0.05
WARM_UP_STEPS = 1000
WARM_UP = 0.1
CHANNELS = 256


class Backbone(nn.Module):
    """EfficientNet-Lite0 with a feature pyramid.

    Args:
        weights: The starting weights.
    """

    def __init__(self, weights: Path) -> None:
        super().__init__()
        body: Any = timm.create_model(NAME, features_only=True, out_indices=(1, 2, 3, 4))
        load_features(body, weights)
        channels = body.feature_info.channels()
        self.body = freeze_batch_norm_2d(body)
        self.fpn = FeaturePyramidNetwork(channels, CHANNELS, LastLevelMaxPool())
        self.out_channels = CHANNELS

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Feature maps of the strides 4 to 64."""
        maps = self.body(images.contiguous(memory_format=torch.channels_last))
        pyramid: dict[str, Tensor] = self.fpn(OrderedDict((str(i), m) for i, m in enumerate(maps)))
        return pyramid


def to_tensor(image: Image.Image) -> Tensor:
    """Float (3, height, width), 0 to 1."""
    return torch.from_numpy(np.asarray(image).copy()).permute(2, 0, 1).float() / 255


class Labelled(Dataset[tuple[Tensor, dict[str, Tensor]]]):
    """Images with their boxes, of a COCO JSON file.

    Args:
        file: `annotations/instances_<split>.json`, whose images lie in `<split>`.
    """

    def __init__(self, file: Path) -> None:
        content = json.loads(file.read_text(encoding="utf-8"))
        self.folder = file.parent.parent / file.stem.removeprefix("instances_")
        self.images: list[dict[str, Any]] = content["images"]
        self.categories = [entry["id"] for entry in content["categories"]]
        self.boxes: dict[int, list[list[float]]] = {entry["id"]: [] for entry in self.images}
        self.labels: dict[int, list[int]] = {entry["id"]: [] for entry in self.images}
        for item in content["annotations"]:
            if not item["iscrowd"]:
                x, y, width, height = item["bbox"]
                self.boxes[item["image_id"]].append([x, y, x + width, y + height])
                label = self.categories.index(item["category_id"]) + 1
                self.labels[item["image_id"]].append(label)

    def __len__(self) -> int:
        """Number of images."""
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, dict[str, Tensor]]:
        """An image and its target, mirrored half of the time."""
        entry = self.images[index]
        image = to_tensor(self.read(index))
        boxes = torch.tensor(self.boxes[entry["id"]], dtype=torch.float32).reshape(-1, 4)
        if random.random() < 0.5:
            image = image.flip(-1)
            boxes[:, [0, 2]] = image.shape[-1] - boxes[:, [2, 0]]
        return image, {"boxes": boxes, "labels": torch.tensor(self.labels[entry["id"]])}

    def read(self, index: int) -> Image.Image:
        """Decode an image."""
        return Image.open(self.folder / self.images[index]["file_name"]).convert("RGB")


def collate(items: list[tuple[Tensor, dict[str, Tensor]]]) -> tuple[list[Tensor], list[Any]]:
    """Images and targets as lists, which is what torchvision's detectors take."""
    images, targets = zip(*items, strict=True)
    return list(images), list(targets)


def train(detector: FasterRCNN, loader: DataLoader[Any], progress: Progress) -> int:
    """Train until the time is over; returns the number of steps.

    Raises:
        SystemExit: If the loss is not finite, so that no figure of a failed training is compared.
    """
    parameters = [p for p in detector.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, RATE, weight_decay=WEIGHT_DECAY)
    steps = 0
    detector.train()
    while True:
        for images, targets in loader:
            steps += 1
            done = progress.fraction
            # The reference's warm-up of 1,000 steps would take up a short training.
            warm = min(1.0, max(steps / WARM_UP_STEPS, done / WARM_UP, 1e-3))
            rate = RATE * warm * (1 + math.cos(math.pi * done)) / 2
            optimizer.param_groups[0]["lr"] = rate
            loss = torch.stack(list(detector(images, targets).values())).sum()
            if not loss.isfinite():
                raise SystemExit(f"step {steps}: the loss is {loss.item()}")
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            if progress.over():
                return steps


def predict(detector: FasterRCNN, data: Labelled) -> list[dict[str, Any]]:
    """The detections of all images in COCO's results format."""
    results = []
    detector.eval()
    with torch.inference_mode():
        for index, entry in enumerate(data.images):
            found = detector([to_tensor(data.read(index))])[0]
            columns = (found["boxes"].tolist(), found["labels"].tolist(), found["scores"].tolist())
            for (x1, y1, x2, y2), label, score in zip(*columns, strict=True):
                results.append(
                    {
                        "image_id": entry["id"],
                        "category_id": data.categories[label - 1],
                        "bbox": [x1, y1, x2 - x1, y2 - y1],
                        "score": score,
                    }
                )
    return results


def main() -> None:
    """Train, and write the detections in the validation images."""
    trial = parse_trial(__doc__).trial
    torch.manual_seed(trial.seed)
    random.seed(trial.seed)
    data = Labelled(trial.train)
    loader = DataLoader(
        data,
        BATCH,
        shuffle=True,
        drop_last=True,
        num_workers=2,
        collate_fn=collate,
        persistent_workers=True,
    )
    detector = FasterRCNN(
        Backbone(trial.weights),
        len(data.categories) + 1,
        min_size=SIDES[0],
        max_size=SIDES[1],
        image_mean=[0.5] * 3,
        image_std=[0.5] * 3,
        # The reference evaluates all detections.
        box_score_thresh=0.001,
    )
    detector.to(memory_format=torch.channels_last)
    train(detector, loader, Progress(trial))
    torch.save(detector.state_dict(), trial.output.parent / "last.pth")
    trial.trained(("torchvision", "timm", "torch"))
    trial.output.write_text(json.dumps(predict(detector, Labelled(trial.val))), encoding="utf-8")


if __name__ == "__main__":
    main()
