"""Words and their numbers: what a captioning network reads and writes."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

PAD, BEGIN, END, UNKNOWN = range(4)
"""The numbers of what is no word: filling, the begin and the end of a caption, any other word."""

SPECIAL = ("<pad>", "<begin>", "<end>", "<unknown>")
"""What these are called in a vocabulary, in that order."""

_WORD = re.compile(r"\w+(?:[-'\u2019]\w+)*")


def tokenise(caption: str) -> list[str]:
    """The words of a caption in lower case, without punctuation; hyphens within words stay."""
    return _WORD.findall(caption.lower())


def build_vocabulary(captions: Iterable[Sequence[str]], min_count: int = 1) -> tuple[str, ...]:
    """The words of captions, the frequent ones first, after what is no word.

    Args:
        captions: The words of each.
        min_count: How often a word must occur; others are unknown.
    """
    counts = Counter(word for caption in captions for word in caption)
    frequent = [word for word, count in counts.items() if count >= min_count]
    return (*SPECIAL, *sorted(frequent, key=lambda word: (-counts[word], word)))


class Vocabulary:
    """Captions as numbers and back.

    Args:
        words: As `build_vocabulary` gives them.
    """

    def __init__(self, words: Sequence[str]) -> None:
        self.words = tuple(words)
        self._numbers = {word: number for number, word in enumerate(self.words)}

    def encode(self, words: Sequence[str], length: int) -> NDArray[np.int64]:
        """The numbers of a caption's words, then `END`, then `PAD`.

        Args:
            words: Of the caption.
            length: How many numbers; words beyond the last but one are cut off.

        Returns:
            int64 of shape (length,).
        """
        numbers = [self._numbers.get(word, UNKNOWN) for word in words[: length - 1]] + [END]
        encoded = np.full(length, PAD, np.int64)
        encoded[: len(numbers)] = numbers
        return encoded

    def decode(self, numbers: Iterable[int]) -> list[str]:
        """The words up to `END`; what is no word is left out."""
        words = []
        for number in numbers:
            if number == END:
                break
            if number > UNKNOWN:
                words.append(self.words[number])
        return words
