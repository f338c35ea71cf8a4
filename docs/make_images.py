"""Make the pictures of the README again: python docs/make_images.py RUN RUN RUN RUN.

Runs of classification/digits, detection/scenes, segmentation/scenes and captioning/scenes.

They show procedural scenes, scikit-image's public-domain photographs and scikit-learn's digits.
"""

import sys
from pathlib import Path

import numpy as np
from skimage import data

from apps.attention import draw_attention
from apps.drawing import draw_prediction, grid, write_image
from apps.explain import grad_cam, overlay
from apps.runtimes import TorchModel, load_model
from datamodules import DigitsData
from tasks.classification import ClassificationTask
from vision.images import Pixels
from vision.predictions import CaptionPrediction
from vision.scenes import make_scene

IMAGES = Path(__file__).parent / "images"


def explained(model: TorchModel, image: Pixels) -> Pixels:
    """Grad-CAM of the best class over the picture."""
    import torch

    task = model.task
    assert isinstance(task, ClassificationTask)
    batch, fitted = model.prepare(image)
    inputs = task.normalise(torch.from_numpy(batch))
    best = int(task.network(inputs)[0].argmax())
    return overlay(image, grad_cam(task, inputs, best), fitted)


def digits(run: str) -> Pixels:
    """Test digits with the network's answers."""
    model = load_model(run)
    images, labels = DigitsData().splits["test"]
    pictures = [np.repeat(image, 3, axis=2) for image in images[:16]]
    answers = [model.predict(picture).summary().split()[0] for picture in pictures]
    captions = [
        answer if answer == str(label) else f"!{answer}, is {label}"
        for answer, label in zip(answers, labels, strict=False)
    ]
    return grid(pictures, captions, 4, 80)


def on_scene(run: str, seed: int, size: int) -> Pixels:
    """What a model makes of a scene that it was not trained on."""
    scene = make_scene(seed, (size, size), (4, 6), 24, 0.4).image
    return draw_prediction(scene, load_model(run).predict(scene))


def attention(run: str, seed: int) -> Pixels:
    """Where a captioner looked in a scene for each word."""
    scene = make_scene(seed, (256, 256), (2, 2), 64, 0.4).image
    prediction = load_model(run).predict(scene)
    assert isinstance(prediction, CaptionPrediction)
    return draw_attention(scene, prediction)


def main() -> None:
    """Write the pictures."""
    digits_run, detector, segmenter, captioner = sys.argv[1:]
    imagenet = load_model("imagenet")
    assert isinstance(imagenet, TorchModel)
    names = ("chelsea", "coffee", "astronaut")
    cat, coffee, astronaut = (getattr(data, name)() for name in names)
    pictures = [
        draw_prediction(cat, imagenet.predict(cat)),
        explained(imagenet, cat),
        draw_prediction(coffee, imagenet.predict(coffee)),
        digits(digits_run),
        on_scene(detector, 8, 256),
        on_scene(segmenter, 21, 256),
        draw_prediction(astronaut, load_model("faces").predict(astronaut)),
        on_scene(captioner, 8, 256),
        attention(captioner, 3),
    ]
    captions = [
        "ImageNet names",
        "why: Grad-CAM",
        "coffee, named",
        "LeNet-5 on digits",
        "objects in a scene",
        "every pixel of a scene",
        "a face and its landmarks",
        "a scene in a sentence",
        "where each word looked",
    ]

    write_image(IMAGES / "gallery.png", grid(pictures, captions, 3, 400))


if __name__ == "__main__":
    main()
