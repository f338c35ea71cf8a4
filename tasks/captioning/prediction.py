"""Captions of an image with their scores, and the attention maps of their words."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from visus.vision.metadata import ModelMetadata
from visus.vision.prediction import Item, Outputs
from visus.vision.resize import Geometry
from visus.vision.vocabulary import END, UNKNOWN, Vocabulary


@dataclass(frozen=True, eq=False)
class CaptionPrediction:
    """Captions of an image.

    Attributes:
        captions: Sentences, all different; the best first.
        scores: float32 of shape (captions,), descending, 0 to 1: the product of the words'
            probabilities, each given the words before it, to the power of one over the length to
            the power `length_power`; with 1 their geometric mean.
        words: The words of the best caption.
        attention_maps: float32 of shape (words, rows, columns), the attention weights of each word
            of the best caption, which cover the network's input and sum to 1; None without
            attention.
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
        """The best caption."""
        return self.captions[0]

    def attention_map(self, word: int) -> NDArray[np.float32]:
        """The attention map of a word, resized to the image and scaled to a maximum of 1.

        Args:
            word: Index in `words`.

        Returns:
            float32 of the image's shape (height, width).

        Raises:
            ValueError: If the model has no attention.
        """
        if self.attention_maps is None:
            raise ValueError("a model without attention has no attention maps")
        plane = self.geometry.plane_to_source(self.attention_maps[word])
        return plane / max(float(plane.max()), 1e-9)

    def items(self) -> list[Item]:
        """The captions with their scores."""
        pairs = zip(self.captions, self.scores, strict=True)
        return [Item(caption, float(score)) for caption, score in pairs]

    def to_json(self) -> dict[str, Any]:
        """`{"task": "captioning", "caption": str, "score": float}`.

        With beam search also `"captions": [{"caption", "score"}, ...]`, the best first.
        """
        captions = [
            {"caption": caption, "score": round(float(score), 6)}
            for caption, score in zip(self.captions, self.scores, strict=True)
        ]
        several = {"captions": captions} if len(captions) > 1 else {}
        return {"task": self.task, **captions[0], **several}

    def summary(self) -> str:
        """The captions with their scores."""
        pairs = zip(self.captions, self.scores, strict=True)
        return " | ".join(f"{caption or 'nothing'} {score:.2f}" for caption, score in pairs)


def postprocess(outputs: Outputs, geometry: Geometry, metadata: ModelMetadata) -> CaptionPrediction:
    """Convert word ids to sentences.

    Args:
        outputs: Word ids of shape (captions, length), the best caption first; the sums of their
            log-probabilities, (captions,); attention weights of each word, (captions, length, rows,
            columns), missing without attention.
        geometry: Maps the network's input back to the image.
        metadata: Metadata of the model; its class names are the vocabulary.
    """
    vocabulary = Vocabulary(metadata.class_names)
    power = float(metadata.options.get("length_power", 1.0))
    ids, totals, *attention_maps = (np.asarray(output) for output in outputs)
    captions: dict[str, float] = {}
    for row, total in zip(ids.astype(int), totals, strict=True):
        ends = np.flatnonzero(row == END)
        length = (ends[0] + 1) if len(ends) else len(row)
        caption = " ".join(vocabulary.decode(row.tolist()))
        captions.setdefault(caption, float(np.exp(total / length**power)))
    best = vocabulary.decode(ids[0].astype(int).tolist())
    positions = np.flatnonzero(ids[0] > UNKNOWN)[: len(best)]
    return CaptionPrediction(
        tuple(captions),
        np.array(list(captions.values()), np.float32),
        tuple(best),
        attention_maps[0][0][positions].astype(np.float32) if attention_maps else None,
        geometry,
    )
