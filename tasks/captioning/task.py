"""Image captioning: a sentence for an image."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import torch
from torch import Tensor

from visus.tasks.base import Batch, VisionTask
from visus.tasks.captioning.data_info import CaptioningInfo
from visus.tasks.captioning.metrics import (
    METRIC_NAMES,
    CaptioningMetrics,
    CaptioningResult,
    CaptionRecord,
)
from visus.tasks.captioning.networks import (
    Captioner,
    CellName,
    TemporalName,
    beam_search,
    caption_loss,
    create_captioner,
    greedy_search,
    sample_captions,
    self_critical_loss,
)
from visus.tasks.captioning.ngram_metrics import CiderD
from visus.tasks.captioning.prediction import CaptionPrediction
from visus.tasks.captioning.rewards import rewards_of
from visus.vision.errors import VisusError
from visus.vision.ranges import (
    FRACTION,
    NOT_NEGATIVE,
    PROBABILITY,
    WIDTH,
    Range,
)
from visus.vision.vocabulary import SPECIAL_TOKENS, Vocabulary

_SAMPLES = 5
"""Captions that self-critical training samples for each image."""


class CaptioningTask(VisionTask):
    """Describe an image in a sentence.

    Args:
        data_info: Properties of the data; the command line takes them from the data module.
        stride: Stride in pixels of the feature map that the decoder reads: a finer one locates
            objects better, a coarser one recognises them better; 0 for the coarsest.
        hidden_size: Number of units of the recurrent cell.
        cell: `lstm` or `gru`.
        attention: Use soft attention; otherwise the decoder reads the mean of the feature map.
        dropout: Dropout probability in the decoder.
        label_smoothing: Fraction of each target that is spread over all words.
        scheduled_sampling: Probability, at the end of the training, that the decoder reads its own
            prediction instead of the reference word; it rises linearly from 0.
        self_critical_epochs: Number of epochs at the end of the training that maximise the CIDEr-D
            of sampled captions.
        beams: Beam width of the search; 1 for greedy search.
        length_power: See `visus.tasks.captioning.networks.beam_search`.
        temporal: How the frames of clips are pooled: `mean` of their feature maps, or `attention`
            over all positions in space and time. Without effect on images.
        kwargs: See `VisionTask`.

    Raises:
        VisusError: If an argument is out of range, or the vocabulary lacks special tokens.
    """

    task = "captioning"
    monitor = ("val/cider_d", "max")
    ranges: ClassVar = {
        "stride": NOT_NEGATIVE,
        "hidden_size": WIDTH,
        "dropout": PROBABILITY,
        "label_smoothing": PROBABILITY,
        "scheduled_sampling": FRACTION,
        "self_critical_epochs": NOT_NEGATIVE,
        "beams": Range(1, 1000),
        "length_power": NOT_NEGATIVE,
    }
    network: Captioner
    tested: CaptioningResult | None

    def __init__(
        self,
        data_info: CaptioningInfo | None = None,
        stride: int = 0,
        hidden_size: int = 512,
        cell: CellName = "lstm",
        attention: bool = True,
        dropout: float = 0.5,
        label_smoothing: float = 0.1,
        scheduled_sampling: float = 0.0,
        self_critical_epochs: int = 0,
        beams: int = 3,
        length_power: float = 0.7,
        temporal: TemporalName = "attention",
        **kwargs: Any,
    ) -> None:
        super().__init__(data_info=data_info, **kwargs)
        assert data_info is not None
        _check(data_info)
        self.network, (mean, std) = create_captioner(
            words=len(self.class_names),
            backbone=self.hparams["backbone"],
            in_channels=self.in_channels,
            pretrained=self.hparams["pretrained"],
            image_size=self.image_size,
            stride=stride,
            hidden_size=hidden_size,
            cell=cell,
            attention=attention,
            dropout=dropout,
            temporal=temporal if data_info.frames > 1 else None,
            **(self.hparams["backbone_options"] or {}),
        )
        self.network.body.to(memory_format=torch.channels_last)
        self.set_normalisation(mean, std)
        self.label_smoothing = label_smoothing
        self.scheduled_sampling = scheduled_sampling
        self.self_critical_epochs = self_critical_epochs
        self.beams = beams
        self.length_power = length_power
        self.max_words = data_info.max_words
        self.frames = data_info.frames
        self.vocabulary = Vocabulary(self.class_names)
        self.rewards: CiderD | None = None

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Captions of images.

        Args:
            images: uint8 of shape (batch, in_channels, height, width).

        Returns:
            See `decode`.
        """
        return self.decode(self.encode(images))

    def encode(self, images: Tensor) -> Tensor:
        """Feature maps of uint8 images or clips.

        Args:
            images: (batch, in_channels, height, width), or (batch, frames, in_channels, height,
                width).

        Returns:
            (batch, channels, rows, columns), or (batch, frames, channels, rows, columns).
        """
        if images.ndim == 5:
            features = self.encode(images.flatten(0, 1))
            return features.view(*images.shape[:2], *features.shape[1:])
        maps: Tensor = self.network(self.normalise(images))
        return maps

    def decode(self, features: Tensor) -> tuple[Tensor, ...]:
        """Captions of feature maps.

        Args:
            features: As `encode` returns them.

        Returns:
            Word ids, int64 of shape (batch, beams, max_words), the best caption first; the sums of
            their log-probabilities, (batch, beams); with attention also its weights for each word,
            (batch, beams, max_words, rows, columns), summed over the frames of clips.
        """
        decoder = self.network.decoder
        state = decoder.start(features)
        if self.beams > 1:
            words, totals, weights = beam_search(
                decoder, state, self.max_words, self.beams, self.length_power
            )
        else:
            greedy = greedy_search(decoder, state, self.max_words)
            words, totals, weights = (output[:, None] for output in greedy)
        if not decoder.attention:
            return words, totals
        maps = weights.view(*weights.shape[:3], -1, *features.shape[-2:])
        return words, totals, maps.sum(3)

    @contextmanager
    def greedy(self) -> Iterator[None]:
        """While open, captions are generated by greedy search."""
        beams, self.beams = self.beams, 1
        try:
            yield
        finally:
            self.beams = beams

    def options(self) -> dict[str, Any]:
        """See `VisionTask.options`."""
        return {"length_power": self.length_power}

    def setup(self, stage: str) -> None:
        """See `VisionTask.setup`; prepare the rewards of self-critical training."""
        super().setup(stage)
        if stage == "fit" and self.self_critical_epochs > 0:
            self.rewards = rewards_of(self.trainer.datamodule)  # type: ignore[attr-defined]

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The loss of one batch, of images or of their cached feature maps."""
        features = batch["features"].float() if "features" in batch else self.encode(batch["image"])
        epochs = self.trainer.max_epochs
        supervised_epochs = math.inf
        if epochs is not None and epochs >= 0:
            supervised_epochs = epochs - self.self_critical_epochs
        if self.current_epoch < supervised_epochs:
            loss = self._supervised_loss(features, batch["words"], supervised_epochs)
        else:
            loss = self._self_critical_loss(features, batch["index"])
        self.log("train/loss", loss, prog_bar=True)
        return self.refuse_non_finite(loss, batch)

    def _supervised_loss(self, features: Tensor, words: Tensor, epochs: float) -> Tensor:
        """Cross-entropy with the reference captions, (images, captions, length)."""
        decoder = self.network.decoder
        images = torch.arange(len(words), device=words.device).repeat_interleave(words.shape[1])
        state = decoder.start(features).select(images)
        sampling_probability = self.scheduled_sampling * self.current_epoch / max(1, epochs - 1)
        return caption_loss(
            decoder, state, words.flatten(0, 1), sampling_probability, self.label_smoothing
        )

    def _self_critical_loss(self, features: Tensor, indices: Tensor) -> Tensor:
        """Policy gradient with the CIDEr-D of sampled captions; indices of the training images."""
        assert self.rewards is not None
        decoder = self.network.decoder
        images = torch.arange(len(indices), device=indices.device).repeat_interleave(_SAMPLES)
        state = decoder.start(features).select(images)
        words, totals, _ = sample_captions(decoder, state, self.max_words)
        scores = [
            self.rewards.score(index, self.vocabulary.decode(row))
            for index, row in zip(indices[images].tolist(), words.tolist(), strict=True)
        ]
        rewards = torch.tensor(scores, device=totals.device).view(-1, _SAMPLES)
        self.log("train/cider_d", rewards.mean(), prog_bar=True)
        return self_critical_loss(totals.view(-1, _SAMPLES), rewards)

    @property
    def metric_names(self) -> tuple[str, ...]:
        """See `VisionTask.metric_names`."""
        rewards = ["train/cider_d"] if self.self_critical_epochs else []
        return ("train/loss", *rewards, *(f"val/{name}" for name in METRIC_NAMES))

    def new_metrics(self, split: str) -> CaptioningMetrics:
        """See `VisionTask.new_metrics`."""
        return CaptioningMetrics()

    def update_metrics(self, metrics: CaptioningMetrics, batch: Batch) -> None:
        """See `VisionTask.update_metrics`; captions every image with and without beam search."""
        features = self.encode(batch["image"])
        best = self.postprocess(self.decode(features), batch["geometry"])
        greedy = best
        if self.beams > 1:
            with self.greedy():
                greedy = self.postprocess(self.decode(features), batch["geometry"])
        for source, prediction, first, truth in zip(
            batch["source"], best, greedy, batch["truth"], strict=True
        ):
            assert isinstance(prediction, CaptionPrediction)
            assert isinstance(first, CaptionPrediction)
            caption = prediction.caption
            metrics.add(
                CaptionRecord(
                    source, caption, first.caption, truth.captions, truth.is_correct(caption)
                )
            )


def _check(data_info: CaptioningInfo) -> None:
    words = tuple(data_info.class_names[: len(SPECIAL_TOKENS)])
    if words != SPECIAL_TOKENS:
        raise VisusError(
            f"the class names start with {', '.join(words)}, but a vocabulary starts with "
            f"{', '.join(SPECIAL_TOKENS)}; leave data.class_names to the data module"
        )
    if data_info.max_words < 2:
        raise VisusError(f"data.max_words {data_info.max_words} must be at least 2")
