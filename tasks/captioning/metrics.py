"""How well captions of many images agree with people's, and whether they look at the image."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from visus.tasks.captioning.ngram_metrics import CiderD, bleu, paired_bootstrap, rouge_l
from visus.vision.vocabulary import tokenise


@dataclass(frozen=True)
class CaptionRecord:
    """One image's captions.

    Attributes:
        source: What the image is called.
        caption: The model's.
        greedy: The model's without a search.
        references: People's.
        true: Whether the caption is true, where that can be known.
    """

    source: str
    caption: str
    greedy: str
    references: tuple[str, ...]
    true: bool | None = None


class CaptioningMetrics:
    """Collects captions, in any order and by any number of processes, and scores them.

    Args:
        records: To begin with.
    """

    def __init__(self, records: Sequence[CaptionRecord] = ()) -> None:
        # The order decides which images are swapped.
        self.records = sorted(records, key=lambda record: record.source)

    def add(self, record: CaptionRecord) -> None:
        """Take one image's."""
        self.records.append(record)

    def compute(self) -> "CaptioningResult":
        """The figures of all that was collected, at least one image."""
        records = sorted(self.records, key=lambda record: record.source)
        captions = [tokenise(record.caption) for record in records]
        references = [[tokenise(text) for text in record.references] for record in records]
        cider = CiderD(references)
        scores = np.array([cider.score(i, words) for i, words in enumerate(captions)])
        figures = _agreement(captions, references, scores)
        greedy = [tokenise(record.greedy) for record in records]
        greedy_scores = np.array([cider.score(i, words) for i, words in enumerate(greedy)])
        told = _agreement(greedy, references, greedy_scores)
        figures |= {f"greedy_{name}": told[name] for name in ("bleu_1", "bleu_4", "cider_d")}
        # Each image is told the caption of the next one.
        swapped = [cider.score(i, captions[i - 1]) for i in range(len(captions))]
        figures["shuffled_cider_d"] = float(np.mean(swapped))
        figures["distinct"] = len({tuple(words) for words in captions}) / len(captions)
        truths = [record.true for record in records if record.true is not None]
        if truths:
            figures["true"] = float(np.mean(truths))
        return CaptioningResult(figures, tuple(records), scores, cider)


def _agreement(
    captions: list[list[str]], references: list[list[list[str]]], scores: NDArray[np.float64]
) -> dict[str, float]:
    """BLEU-1 to 4, ROUGE-L and CIDEr-D."""
    figures = {f"bleu_{i + 1}": value for i, value in enumerate(bleu(captions, references))}
    pairs = zip(captions, references, strict=True)
    figures["rouge_l"] = float(np.mean([rouge_l(words, known) for words, known in pairs]))
    figures["cider_d"] = float(scores.mean())
    return figures


@dataclass(frozen=True, eq=False)
class CaptioningResult:
    """What `CaptioningScores` found.

    Attributes:
        figures: By name: `bleu_1` to `bleu_4`, `rouge_l`, 0 to 1; `cider_d`, 0 to 10; `greedy_...`
            of captions written without a search; `shuffled_cider_d` of each image with another's
            caption; `distinct`, how many captions differ, and `true`, how many are true, 0 to 1.
        records: What was scored, by source.
        scores: CIDEr-D of each.
        cider: What scored them.
    """

    figures: dict[str, float]
    records: tuple[CaptionRecord, ...]
    scores: NDArray[np.float64]
    cider: CiderD

    def compare(self, captions: dict[str, str]) -> dict[str, float]:
        """The figures of others' captions of the same images, and how much ours exceed theirs.

        Args:
            captions: One for each source.

        Returns:
            `bleu_1`, `bleu_4` and `cider_d` of the others, and the 95 % interval of our advantage
            in CIDEr-D: `gain_low` and `gain_high`.
        """
        words = [tokenise(captions[record.source]) for record in self.records]
        references = [[tokenise(text) for text in record.references] for record in self.records]
        scores = np.array([self.cider.score(i, caption) for i, caption in enumerate(words)])
        figures = _agreement(words, references, scores)
        low, high = paired_bootstrap(self.scores, scores)
        kept = {name: figures[name] for name in ("bleu_1", "bleu_4", "cider_d")}
        return {**kept, "gain_low": low, "gain_high": high}
