"""What the data module tells the task."""

from dataclasses import dataclass

from visus.tasks.data_info import InputInfo


@dataclass(frozen=True, kw_only=True)
class CaptioningInfo(InputInfo):
    """Properties of the data that a captioning task needs; the class names are the vocabulary.

    Attributes:
        max_words: Maximum number of words of a caption, its end token included.
    """

    max_words: int
