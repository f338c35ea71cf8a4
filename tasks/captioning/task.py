"""Image captioning: a sentence about an image."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from visus.tasks.base import VisionTask, gather_objects, weights_digest
from visus.tasks.captioning.metrics import CaptioningMetrics, CaptioningResult, CaptionRecord
from visus.tasks.captioning.networks import (
    Captioner,
    CellName,
    beam_search,
    caption_loss,
    create_captioner,
    greedy_search,
    sample_captions,
    self_critical_loss,
)
from visus.tasks.captioning.ngram_metrics import CiderD
from visus.tasks.captioning.prediction import CaptionPrediction
from visus.vision.errors import VisusError
from visus.vision.metadata import ResizeMode
from visus.vision.vocabulary import SPECIAL, Vocabulary, tokenise

Batch = dict[str, Any]

_DRAWN = 5
"""Captions written at random for each image in self-critical training."""


class CaptioningTask(VisionTask):
    """Tell in a sentence what an image shows.

    Args:
        backbone: A name from `visus backbones`.
        pretrained: `true` for ImageNet weights, or the path of a weights file.
        stride: Of the feature map that is looked at, in pixels: a finer one says more of where and
            less of what; 0 for the coarsest.
        hidden: Numbers that the recurrent cell remembers.
        cell: `lstm` or `gru`.
        attention: Look at places of the image anew for each word.
        dropout: Share of the decoder's numbers dropped in training.
        label_smoothing: Share of the truth that is spread over all words.
        scheduled_sampling: How often the decoder reads its own words instead of a person's at the
            end of the training; from 0 it rises evenly.
        self_critical_epochs: How many epochs, the last, learn from the CIDEr-D of captions that the
            model writes itself.
        beams: Captions that the search keeps in view; 1 for the surest word each time.
        length_power: See `visus.tasks.captioning.networks.write_best`.
        max_words: Of a caption, its end included.
        class_names: The words, see `visus.vision.vocabulary`; the command line takes them from the data.
        image_size: See `VisionTask`; the command line takes it from the data.
        in_channels: See `VisionTask`; the command line takes it from the data.
        resize_mode: See `VisionTask`; the command line takes it from the data.
        learning_rate: See `VisionTask`.
        backbone_learning_rate: See `VisionTask`.
        weight_decay: See `VisionTask`.
        warmup: See `VisionTask`.
        freeze_epochs: See `VisionTask`; with -1 the data may compute the feature maps in advance.
        freeze_batch_norm: See `VisionTask`.
    """

    task = "captioning"
    monitor = ("val/cider_d", "max")
    network: Captioner

    def __init__(
        self,
        backbone: str = "tf_efficientnet_lite0",
        pretrained: bool | str = False,
        stride: int = 0,
        hidden: int = 512,
        cell: CellName = "lstm",
        attention: bool = True,
        dropout: float = 0.5,
        label_smoothing: float = 0.1,
        scheduled_sampling: float = 0.0,
        self_critical_epochs: int = 0,
        beams: int = 3,
        length_power: float = 0.7,
        max_words: int = 20,
        class_names: list[str] | None = None,
        image_size: tuple[int, int] = (224, 224),
        in_channels: int = 3,
        resize_mode: ResizeMode = "stretch",
        learning_rate: float = 1e-3,
        backbone_learning_rate: float | None = None,
        weight_decay: float = 0.05,
        warmup: float = 0.05,
        freeze_epochs: int = 0,
        freeze_batch_norm: bool = False,
    ) -> None:
        class_names = class_names or [*SPECIAL]
        _check(class_names, beams, max_words, scheduled_sampling)
        super().__init__(
            class_names,
            image_size,
            in_channels,
            resize_mode,
            learning_rate,
            backbone_learning_rate,
            weight_decay,
            warmup,
            freeze_epochs,
            freeze_batch_norm,
        )
        self.save_hyperparameters(logger=False)
        self.network, (mean, std) = create_captioner(
            len(class_names),
            backbone,
            in_channels,
            pretrained,
            self.image_size,
            stride,
            hidden,
            cell,
            attention,
            dropout,
        )
        self.network.body.to(memory_format=torch.channels_last)
        self.set_normalisation(mean, std)
        self.label_smoothing = label_smoothing
        self.scheduled_sampling = scheduled_sampling
        self.self_critical_epochs = self_critical_epochs
        self.beams = beams
        self.length_power = length_power
        self.max_words = max_words
        self.vocabulary = Vocabulary(class_names)
        self.collected = CaptioningMetrics()
        self.tested: CaptioningResult | None = None

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Captions of images.

        Args:
            images: uint8 of shape (batch, in_channels, height, width).

        Returns:
            See `describe`.
        """
        return self.describe(self.encode(images))

    def encode(self, images: Tensor) -> Tensor:
        """Feature maps, (batch, channels, rows, columns), of uint8 images."""
        features: Tensor = self.network(self.normalise(images))
        return features

    def look(self, images: Tensor) -> Tensor:
        """As `encode`, of images anywhere, by the network as it is used."""
        training = self.body.training
        self.body.eval()
        with torch.no_grad():
            features = self.encode(images.to(self.device))
        self.body.train(training)
        return features

    def encoder_fingerprint(self) -> str | None:
        """Tells the weights of the backbone apart from others; None where it learns."""
        if self.freeze_epochs >= 0:
            return None
        return weights_digest(self.body, f"{self.mean.tolist()} {self.std.tolist()}")

    def describe(self, features: Tensor) -> tuple[Tensor, ...]:
        """Captions of feature maps.

        Args:
            features: As `encode` gives them.

        Returns:
            Numbers of words, int64 of shape (batch, beams, max_words), the best caption first; the
            sum of their log-probabilities, (batch, beams); with attention also how much each place
            was looked at for each word, (batch, beams, max_words, rows, columns).
        """
        decoder = self.network.decoder
        state = decoder.start(features)
        if self.beams > 1:
            found = beam_search(decoder, state, self.max_words, self.beams, self.length_power)
        else:
            words, totals, attention_maps = greedy_search(decoder, state, self.max_words)
            found = words[:, None], totals[:, None], attention_maps[:, None]
        if not decoder.attention:
            return found[:2]
        rows, columns = features.shape[2:]
        return *found[:2], found[2].view(*found[2].shape[:3], rows, columns)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The loss of one batch; its feature maps may have been computed in advance."""
        features = batch["features"].float() if "features" in batch else self.encode(batch["image"])
        critical_from = (self.trainer.max_epochs or 0) - self.self_critical_epochs
        if self.current_epoch < critical_from:
            loss = self._learn_from_people(features, batch["words"], critical_from)
        else:
            loss = self._learn_from_scores(features, batch["number"])
        self.log("train/loss", loss, prog_bar=True)
        return self.refuse_non_finite(loss, batch)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Caption one batch."""
        self._collect(batch)

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """Caption one batch."""
        self._collect(batch)

    def on_validation_epoch_end(self) -> None:
        """Log the figures over all processes."""
        self._finish("val")

    def on_test_epoch_end(self) -> None:
        """Log the figures over all processes."""
        self.tested = self._finish("test")

    def _learn_from_people(self, features: Tensor, words: Tensor, epochs: int) -> Tensor:
        decoder = self.network.decoder
        images = torch.arange(len(words), device=words.device).repeat_interleave(words.shape[1])
        state = decoder.start(features).select(images)
        sampling_probability = self.scheduled_sampling * self.current_epoch / max(1, epochs - 1)
        return caption_loss(
            decoder, state, words.flatten(0, 1), sampling_probability, self.label_smoothing
        )

    def _learn_from_scores(self, features: Tensor, numbers: Tensor) -> Tensor:
        decoder = self.network.decoder
        images = torch.arange(len(numbers), device=numbers.device).repeat_interleave(_DRAWN)
        state = decoder.start(features).select(images)
        words, totals, _ = sample_captions(decoder, state, self.max_words)
        scores = [
            self._rewards.score(number, self.vocabulary.decode(written))
            for number, written in zip(
                numbers.repeat_interleave(_DRAWN).tolist(), words.tolist(), strict=True
            )
        ]
        rewards = torch.tensor(scores, device=totals.device).view(-1, _DRAWN)
        self.log("train/cider_d", rewards.mean(), prog_bar=True)
        return self_critical_loss(totals.view(-1, _DRAWN), rewards)

    @cached_property
    def _rewards(self) -> CiderD:
        """What scores captions of the training images, by their numbers."""
        known: Sequence[Sequence[str]] = self.trainer.datamodule.train_captions  # type: ignore[attr-defined]
        return CiderD([[tokenise(caption) for caption in captions] for captions in known])

    def _collect(self, batch: Batch) -> None:
        features = self.encode(batch["image"])
        best = self.postprocess(self.describe(features), batch["geometry"])
        beams, self.beams = self.beams, 1
        greedy = self.postprocess(self.describe(features), batch["geometry"]) if beams > 1 else best
        self.beams = beams
        for source, found, plain, truth in zip(
            batch["source"], best, greedy, batch["truth"], strict=True
        ):
            assert isinstance(found, CaptionPrediction) and isinstance(plain, CaptionPrediction)
            true = truth.judge(found.caption)
            self.collected.add(
                CaptionRecord(source, found.caption, plain.caption, truth.captions, true)
            )

    def _finish(self, split: str) -> CaptioningResult | None:
        """Score what all processes collected, log the figures, and begin anew."""
        collected = CaptioningMetrics(gather_objects(self.collected.records))
        self.collected = CaptioningMetrics()
        if self.trainer.sanity_checking:
            return None
        result = collected.compute()
        for name, value in result.figures.items():
            self.log(f"{split}/{name}", value, prog_bar=f"{split}/{name}" == self.monitor[0])
        return result


def _check(words: list[str], beams: int, max_words: int, scheduled_sampling: float) -> None:
    if tuple(words[: len(SPECIAL)]) != SPECIAL:
        raise VisusError(
            f"model.class_names begins with {words[: len(SPECIAL)]}, a vocabulary with {SPECIAL}; "
            "leave it to the data"
        )
    if beams < 1 or max_words < 2:
        raise VisusError(
            f"model.beams {beams} must be at least 1 and model.max_words {max_words} at least 2"
        )
    if not 0 <= scheduled_sampling <= 1:
        raise VisusError(f"model.scheduled_sampling {scheduled_sampling} must lie between 0 and 1")
