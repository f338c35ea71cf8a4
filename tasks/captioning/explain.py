"""Explain a caption by the attention maps of its words."""

import torch

from visus.tasks.base import VisionTask
from visus.tasks.captioning.prediction import CaptionPrediction
from visus.tasks.spec import Explanation
from visus.vision.drawing.heat import draw_heat
from visus.vision.images import Pixels, visible
from visus.vision.resize import preprocess_image


def explain(task: VisionTask, image: Pixels) -> list[Explanation]:
    """The attention map of each word of the best caption; none without attention.

    Args:
        task: A captioner in evaluation mode.
        image: uint8 of shape (height, width, channels).
    """
    batch, geometry = preprocess_image(image, task.metadata)
    with torch.inference_mode():
        outputs = task(torch.from_numpy(batch).to(task.device))
    (prediction,) = task.postprocess(outputs, [geometry])
    assert isinstance(prediction, CaptionPrediction)
    if prediction.attention_maps is None:
        return []
    rgb = visible(image)
    heats = [prediction.attention_map(i) for i in range(len(prediction.words))]
    pairs = zip(prediction.words, heats, strict=True)
    return [Explanation(draw_heat(rgb, heat), f"attention: {word}", heat) for word, heat in pairs]
