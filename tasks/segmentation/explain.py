"""Explain a segmentation by HiResCAM for each class in the image."""

import torch
from torch import Tensor

from visus.tasks.base import VisionTask
from visus.tasks.explaining import explanation, hires_cam
from visus.tasks.segmentation.prediction import logits_inside
from visus.tasks.spec import Explanation
from visus.vision.images import Pixels
from visus.vision.resize import preprocess_image

_CLASSES = 3
"""Number of classes that are explained, those of the largest areas."""


def explain(task: VisionTask, image: Pixels) -> list[Explanation]:
    """HiResCAM of the largest classes: of the mean logit of the pixels of each.

    After "Towards Interpretable Semantic Segmentation via Gradient-weighted Class Activation
    Mapping" (Vinogradova et al. 2020, arXiv:2002.11434).

    Args:
        task: A segmenter in evaluation mode.
        image: uint8 of shape (height, width, channels).
    """
    batch, geometry = preprocess_image(image, task.metadata)
    images = torch.from_numpy(batch).to(task.device)
    with torch.inference_mode():
        classes = task(images)[0][0].argmax(0)
    # The padding of the network's input is no part of the image.
    inside = logits_inside(classes.shape, geometry)
    classes = classes[inside]
    counts = torch.bincount(classes.flatten(), minlength=len(task.class_names))
    order = [k for k in counts.argsort(descending=True).tolist() if counts[k]][:_CLASSES]
    explained = []
    for index in order:

        def chosen(outputs: tuple[Tensor, ...], index: int = index) -> Tensor:
            return outputs[0][0, index][inside][classes == index].mean()

        heat = hires_cam(task, images, chosen)
        caption = f"HiResCAM: {task.class_names[index]}"
        explained.append(explanation(image, heat, geometry, caption))
    return explained
