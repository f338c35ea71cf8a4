"""Agreement of captions with reference captions, accumulated image by image."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from visus.tasks.captioning.ngram_metrics import CiderD, bleu, paired_bootstrap, rouge_l
from visus.vision.vocabulary import tokenise

METRIC_NAMES = (
    *("bleu_1", "bleu_2", "bleu_3", "bleu_4", "rouge_l", "cider_d"),
    *("greedy_bleu_1", "greedy_bleu_4", "greedy_cider_d", "shuffled_cider_d", "distinct", "true"),
)
"""Names of the metrics, see `CaptioningResult`; `true` where the data judge captions."""


@dataclass(frozen=True)
class CaptionRecord:
    """The captions of one image.

    Attributes:
        source: Name of the image.
        caption: The predicted caption.
        greedy: The caption predicted by greedy search.
        references: The reference captions.
        true: Whether the predicted caption is true of the image; None where that is unknown.
    """

    source: str
    caption: str
    greedy: str
    references: tuple[str, ...]
    true: bool | None = None


class CaptioningMetrics:
    """Accumulates captions, in any order and by any number of processes.

    Attributes:
        records: One an image.
    """

    def __init__(self) -> None:
        self.records: list[CaptionRecord] = []

    def add(self, record: CaptionRecord) -> None:
        """Add one image."""
        self.records.append(record)

    def compute(self) -> "CaptioningResult":
        """The metrics of all images, of which there must be at least one."""
        # The order decides which captions are swapped.
        records = sorted(self.records, key=lambda record: record.source)
        captions = [tokenise(record.caption) for record in records]
        references = [[tokenise(text) for text in record.references] for record in records]
        cider = CiderD(references)
        scores = np.array([cider.score(i, words) for i, words in enumerate(captions)])
        metrics = _agreement(captions, references, scores)
        greedy = [tokenise(record.greedy) for record in records]
        greedy_scores = np.array([cider.score(i, words) for i, words in enumerate(greedy)])
        of_greedy = _agreement(greedy, references, greedy_scores)
        metrics |= {f"greedy_{name}": of_greedy[name] for name in ("bleu_1", "bleu_4", "cider_d")}
        # Each image with the caption of the one before it.
        swapped = [cider.score(i, captions[i - 1]) for i in range(len(captions))]
        metrics["shuffled_cider_d"] = float(np.mean(swapped))
        metrics["distinct"] = len({tuple(words) for words in captions}) / len(captions)
        truths = [record.true for record in records if record.true is not None]
        if truths:
            metrics["true"] = float(np.mean(truths))
        return CaptioningResult(metrics, tuple(records), scores, cider)


def _agreement(
    captions: list[list[str]], references: list[list[list[str]]], scores: NDArray[np.float64]
) -> dict[str, float]:
    """BLEU-1 to 4, ROUGE-L and CIDEr-D."""
    metrics = {f"bleu_{i + 1}": value for i, value in enumerate(bleu(captions, references))}
    pairs = zip(captions, references, strict=True)
    metrics["rouge_l"] = float(np.mean([rouge_l(words, known) for words, known in pairs]))
    metrics["cider_d"] = float(scores.mean())
    return metrics


@dataclass(frozen=True, eq=False)
class CaptioningResult:
    """The result of one evaluation.

    Attributes:
        metrics: By name: `bleu_1` to `bleu_4`, `rouge_l`, 0 to 1; `cider_d`, 0 to 10; `greedy_...`
            of greedy search; `shuffled_cider_d` with each image's caption given to another image;
            `distinct`, the fraction of captions that differ, and `true`, the fraction that are true
            of their image, 0 to 1.
        records: The evaluated captions, sorted by source.
        scores: CIDEr-D of each.
        cider: Computes CIDEr-D on the same images.
    """

    metrics: dict[str, float]
    records: tuple[CaptionRecord, ...]
    scores: NDArray[np.float64]
    cider: CiderD

    def compare(self, captions: dict[str, str]) -> dict[str, float]:
        """The metrics of another method's captions of the same images, and the gain over them.

        Args:
            captions: One for each source.

        Returns:
            `bleu_1`, `bleu_4` and `cider_d` of the other captions, and the 95 % interval of the
            gain in CIDEr-D over them: `gain_low` and `gain_high`.
        """
        words = [tokenise(captions[record.source]) for record in self.records]
        references = [[tokenise(text) for text in record.references] for record in self.records]
        scores = np.array([self.cider.score(i, caption) for i, caption in enumerate(words)])
        metrics = _agreement(words, references, scores)
        low, high = paired_bootstrap(self.scores, scores)
        selected = {name: metrics[name] for name in ("bleu_1", "bleu_4", "cider_d")}
        return {**selected, "gain_low": low, "gain_high": high}
