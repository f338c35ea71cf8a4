"""Vocabularies: from captions to words, and from words to ids and back."""

import re
import sys
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

PAD, BEGIN, END, UNKNOWN = range(4)
"""Ids of the special tokens: padding, beginning and end of a caption, word out of vocabulary."""

SPECIAL_TOKENS = ("<pad>", "<begin>", "<end>", "<unknown>")
"""Names of the special tokens, by id; every vocabulary starts with them."""

_JOINERS = "\u200c\u200d"
"""Zero-width characters between letters of some scripts."""


def tokenise(caption: str) -> list[str]:
    """The words of a caption in lower case, without punctuation; hyphens within words stay.

    Accents and vowel signs belong to their letters, however they are encoded.
    """
    text = unicodedata.normalize("NFC", caption.lower())
    return _word_pattern(text.isascii()).findall(text)


@cache
def _word_pattern(ascii_only: bool) -> re.Pattern[str]:
    """Words of letters and digits, and of combining characters where there may be any."""
    characters = () if ascii_only else map(chr, range(128, sys.maxunicode + 1))
    marks = "".join(c for c in characters if unicodedata.category(c).startswith("M"))
    letters = rf"\w[\w{_JOINERS}{marks}]*"
    return re.compile(rf"{letters}(?:[-'\u2019]{letters})*")


def build_vocabulary(captions: Iterable[Sequence[str]], min_count: int = 1) -> tuple[str, ...]:
    """The special tokens and the words of captions, sorted by descending frequency.

    Args:
        captions: The words of each caption.
        min_count: Minimum number of occurrences of a word; rarer ones are left out.
    """
    counts = Counter(word for caption in captions for word in caption)
    frequent = [word for word, count in counts.items() if count >= min_count]
    return (*SPECIAL_TOKENS, *sorted(frequent, key=lambda word: (-counts[word], word)))


class Vocabulary:
    """Converts captions to word ids and back.

    Args:
        words: The special tokens and the words, as `build_vocabulary` returns them.
    """

    def __init__(self, words: Sequence[str]) -> None:
        self.words = tuple(words)
        self._ids = {word: id for id, word in enumerate(self.words)}

    def encode(self, words: Sequence[str], length: int) -> NDArray[np.int64]:
        """The word ids of a caption, followed by `END` and padded with `PAD`.

        Args:
            words: The words of the caption; `UNKNOWN` replaces those out of vocabulary.
            length: Number of ids; longer captions are truncated, `END` included.

        Returns:
            int64 of shape (length,).
        """
        ids = [self._ids.get(word, UNKNOWN) for word in words[: length - 1]] + [END]
        encoded = np.full(length, PAD, np.int64)
        encoded[: len(ids)] = ids
        return encoded

    def decode(self, ids: Iterable[int]) -> list[str]:
        """The words up to `END`, without special tokens."""
        words = []
        for id in ids:
            if id == END:
                break
            if id > UNKNOWN:
                words.append(self.words[id])
        return words
