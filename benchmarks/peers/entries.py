"""What is compared: visus and its peers, the task of each, and what is not comparable."""

from dataclasses import dataclass

TASKS = ("classification", "detection", "segmentation")

FIGURES = {
    "classification": "accuracy",
    "detection": "mAP (IoU 0.5 to 0.95)",
    "segmentation": "mean IoU",
}
"""What is measured for each task, on the validation images, by `scores.py`."""

_LITE0 = "ImageNet, EfficientNet-Lite0"


@dataclass(frozen=True)
class Entry:
    """One way to train a model for a task.

    Attributes:
        name: `visus`, or the folder of the peer's script and of its environment.
        title: What trains what.
        weights: The starting weights.
        note: What is not comparable.
        options: Options of `visus fit` beside data, budget and seed; None for a peer.
    """

    name: str
    title: str
    weights: str
    note: str
    options: tuple[str, ...] | None = None


VISUS = Entry(
    "visus",
    "visus fit --budget",
    _LITE0,
    "measures machine and data within the minutes, and chooses its recipe by that; may take a "
    "larger backbone of the family if its weights are installed; the last weights are measured, "
    "not those that were best on the validation images",
    (),
)

SMALL = Entry(
    "visus_small",
    "visus fit --budget, one stage on a small backbone",
    "none: random",
    "MobileNetV4-Conv-S from random weights, to be compared with Ultralytics' smallest",
    (
        *("--model.backbone", "mobilenetv4_conv_small"),
        *("--model.pretrained", "false", "--model.freeze_batch_norm", "false"),
        *("--model.backbone_learning_rate", "null", "--model.shared_towers", "false"),
        *("--data.batch_size", "8"),
    ),
)

OWN: dict[str, tuple[Entry, ...]] = {
    "classification": (VISUS,),
    "detection": (VISUS, SMALL),
    "segmentation": (VISUS,),
}
"""The entries of visus of each task."""

PEERS: dict[str, tuple[Entry, ...]] = {
    "classification": (
        Entry(
            "fastai",
            "fastai, the two phases of fine_tune",
            _LITE0,
            "a fixed recipe at 224 px; averages each image with four augmented views in prediction",
        ),
    ),
    "detection": (
        Entry(
            "torchvision",
            "torchvision's Faster R-CNN, reference recipe",
            _LITE0,
            "at most 512 px a side instead of the reference's 1,333",
        ),
        Entry(
            "ultralytics",
            "Ultralytics, yolo detect train time=",
            "none: random",
            "starts from random weights, as its own, of COCO, must be downloaded: the figure says "
            "nothing about fine-tuning those",
        ),
    ),
    "segmentation": (
        Entry(
            "segmentation_models",
            "segmentation_models.pytorch, FPN in Lightning",
            _LITE0,
            "a fixed recipe: crops of 320 px, whole images in prediction",
        ),
    ),
}
"""The peers of each task."""


def entries(task: str) -> tuple[Entry, ...]:
    """Visus and its peers for a task."""
    return (*OWN[task], *PEERS[task])


def own_options(task: str, name: str) -> tuple[str, ...] | None:
    """The options of an entry of visus; None for a peer."""
    return next(entry.options for entry in entries(task) if entry.name == name)
