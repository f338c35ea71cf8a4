"""What a captioner tells: sentences about an image, and where it looked for each word."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from visus.vision.metadata import ModelMetadata
from visus.vision.prediction import Outputs
from visus.vision.resize import Geometry
from visus.vision.vocabulary import END, UNKNOWN, Vocabulary


@dataclass(frozen=True, eq=False)
class CaptionPrediction:
    """What a captioner tells of an image.

    Attributes:
        captions: Sentences of which no two are equal, the best first.
        scores: float32 of shape (captions,): the geometric mean of the words' probabilities, each
            given the words before, 0 to 1.
        words: Those of the best caption.
        looks: float32 of shape (words, rows, columns), how much each place was looked at for each
            word of the best caption; the places cover the fitted image and sum to 1. None
            without attention.
        geometry: Maps the network's input back to the image.
    """

    task: ClassVar[str] = "captioning"

    captions: tuple[str, ...]
    scores: NDArray[np.float32]
    words: tuple[str, ...]
    attention_maps: NDArray[np.float32] | None
    geometry: Geometry

    @property
    def caption(self) -> str:
        """The best."""
        return self.captions[0]

    def look(self, word: int) -> NDArray[np.float32]:
        """How much each pixel of the image was looked at for a word, at most 1.

        Args:
            word: Its number in `words`.

        Returns:
            float32 of the image's shape (height, width).

        Raises:
            ValueError: If the model has no attention.
        """
        if self.attention_maps is None:
            raise ValueError("a captioner without attention looks at the whole image")
        plane = self.geometry.plane_to_source(self.attention_maps[word])
        return plane / max(float(plane.max()), 1e-9)

    def to_json(self) -> dict[str, Any]:
        """`{"task": "captioning", "caption": str, "score": float}`.

        With beam search also `"captions": [{"caption", "score"}, ...]`, the best first.
        """
        told = [
            {"caption": caption, "score": round(float(score), 6)}
            for caption, score in zip(self.captions, self.scores, strict=True)
        ]
        several = {"captions": told} if len(told) > 1 else {}
        return {"task": self.task, **told[0], **several}

    def summary(self) -> str:
        """The captions with their scores."""
        told = zip(self.captions, self.scores, strict=True)
        return " | ".join(f"{caption or 'nothing'} {score:.2f}" for caption, score in told)


def postprocess(outputs: Outputs, geometry: Geometry, metadata: ModelMetadata) -> CaptionPrediction:
    """Turn numbers of words into sentences.

    Args:
        outputs: Numbers of words of shape (captions, length), the best caption first; the sum of
            their log-probabilities, (captions,); how much each place was looked at for each word,
            (captions, length, rows, columns), missing where there is no attention.
        geometry: Maps the network's input back to the image.
        metadata: The model's; its class names are the words.
    """
    vocabulary = Vocabulary(metadata.class_names)
    numbers, totals, *attention_maps = (np.asarray(output) for output in outputs)
    captions: dict[str, float] = {}
    for row, total in zip(numbers.astype(int), totals, strict=True):
        ends = np.flatnonzero(row == END)
        length = (ends[0] + 1) if len(ends) else len(row)
        caption = " ".join(vocabulary.decode(row.tolist()))
        captions.setdefault(caption, float(np.exp(total / length)))
    best = vocabulary.decode(numbers[0].astype(int).tolist())
    shown = np.flatnonzero(numbers[0] > UNKNOWN)[: len(best)]
    return CaptionPrediction(
        tuple(captions),
        np.array(list(captions.values()), np.float32),
        tuple(best),
        attention_maps[0][0][shown].astype(np.float32) if attention_maps else None,
        geometry,
    )
