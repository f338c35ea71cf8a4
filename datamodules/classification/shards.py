"""Labelled images in shards."""

from collections.abc import Sequence
from functools import cache

from visus.datamodules.classification.checks import Listing
from visus.datamodules.classification.files import Sample
from visus.datamodules.core.shards.codec import SampleCodec
from visus.datamodules.core.shards.data import known_names, open_shards


@cache
def codec() -> SampleCodec[Sample]:
    """Converts samples to records and back."""
    return SampleCodec(Sample, image="file")


def content(listing: Listing) -> dict[str, object]:
    """What the index holds beside the samples."""
    return {"class_names": list(listing.class_names), "multi_label": listing.multi_label}


def read_listing(root: str, class_names: Sequence[str] | None) -> Listing:
    """The samples of a data set in shards.

    Args:
        root: Its folder or its address.
        class_names: The classes of a checkpoint, in order.

    Raises:
        VisusError: If it cannot be read, or has other classes.
    """
    samples, stored = open_shards(root, "classification", codec())
    names = known_names(root, stored["class_names"], class_names)
    return Listing(samples, names, bool(stored["multi_label"]), (), 0)
