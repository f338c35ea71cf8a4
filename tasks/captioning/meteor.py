"""METEOR, computed by nltk where it and WordNet are installed; nothing is downloaded."""

from collections.abc import Sequence
from importlib.util import find_spec

from visus.tasks.captioning.metrics import CaptionRecord
from visus.vision.vocabulary import tokenise

_LEFT_OUT = "METEOR is left out; it needs"
_WORDNET = "WordNet (python -m nltk.downloader wordnet)"


def meteor(records: Sequence[CaptionRecord]) -> tuple[float | None, str]:
    """The mean METEOR as implemented by nltk, 0 to 1.

    Banerjee and Lavie 2005, "METEOR: An Automatic Metric for MT Evaluation with Improved
    Correlation with Human Judgments".

    Args:
        records: Captions and references.

    Returns:
        The metric and an empty string, or None and what is missing.
    """
    if find_spec("nltk") is None:
        return None, f"{_LEFT_OUT} nltk (pip install nltk) and {_WORDNET}"
    from nltk import data
    from nltk.translate.meteor_score import meteor_score

    try:
        data.find("corpora/wordnet")
    except LookupError:
        return None, f"{_LEFT_OUT} {_WORDNET}"
    total = 0.0
    try:
        for record in records:
            references = [tokenise(text) for text in record.references]
            total += float(meteor_score(references, tokenise(record.caption)))
    except OSError as error:
        # nltk opens the files of WordNet on first use.
        return None, f"{_LEFT_OUT} an intact {_WORDNET}: {error}"
    return total / len(records), ""
