"""Images with labelled objects in shards."""

from collections.abc import Sequence
from functools import cache

from visus.datamodules.core.detection_files import DetectionListing
from visus.datamodules.core.labels import LabelledImage
from visus.datamodules.core.shards.codec import SampleCodec
from visus.datamodules.core.shards.data import known_names, open_shards


@cache
def codec() -> SampleCodec[LabelledImage]:
    """Converts images to records and back."""
    return SampleCodec(LabelledImage, image="path")


def content(listing: DetectionListing) -> dict[str, object]:
    """What the index holds beside the images."""
    return {"class_names": list(listing.class_names), "format": listing.format}


def read_listing(root: str, class_names: Sequence[str] | None) -> DetectionListing:
    """The images of a data set in shards.

    Args:
        root: Its folder or its address.
        class_names: The classes of a checkpoint, in order.

    Raises:
        VisusError: If it cannot be read, or has other classes.
    """
    images, stored = open_shards(root, "detection", codec())
    names = known_names(root, stored["class_names"], class_names)
    return DetectionListing(stored["format"], images, names, (), 0)
