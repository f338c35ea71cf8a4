"""The rewards of self-critical training: CIDEr-D with the captions of the training images."""

from collections.abc import Sequence
from typing import Any

from visus.tasks.captioning.ngram_metrics import CiderD
from visus.vision.errors import VisusError
from visus.vision.vocabulary import tokenise


def rewards_of(data: Any) -> CiderD:
    """The rewards of captions of a data module's training images.

    Raises:
        VisusError: If it does not provide their captions.
    """
    captions = _training_captions(data)
    return CiderD([[tokenise(text) for text in each] for each in captions])


def _training_captions(data: Any) -> Sequence[Sequence[str]]:
    """The captions of each training image.

    Raises:
        VisusError: If the data module does not provide them.
    """
    try:
        captions: Sequence[Sequence[str]] = data.train_captions
    except AttributeError as error:
        # An error inside a property of that name is another one.
        if error.name != "train_captions":
            raise
        raise VisusError(
            f"{type(data).__name__} has no attribute 'train_captions', the captions of each "
            "training image, which self-critical training needs; define it in the data module, or "
            "set model.self_critical_epochs to 0"
        ) from None
    return captions
