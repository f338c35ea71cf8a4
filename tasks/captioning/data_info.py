"""Properties of the data that the task depends on."""

from dataclasses import dataclass

from visus.tasks.data_info import InputInfo


@dataclass(frozen=True, kw_only=True)
class CaptioningInfo(InputInfo):
    """The properties of the data that a captioner depends on; class names are the vocabulary.

    Attributes:
        max_words: Maximum number of words of a caption, its end token included.
        frames: Number of frames of a clip that is captioned as a whole; 1 for images.
    """

    max_words: int
    frames: int = 1
