"""Images with captions in shards."""

from functools import cache

from visus.datamodules.captioning.files import CaptionedImage, CaptionListing
from visus.datamodules.core.shards.codec import SampleCodec
from visus.datamodules.core.shards.data import open_shards


@cache
def codec() -> SampleCodec[CaptionedImage]:
    """Converts images to records and back."""
    return SampleCodec(CaptionedImage, image="path")


def read_listing(root: str) -> CaptionListing:
    """The images of a data set in shards.

    Args:
        root: Its folder or its address.

    Raises:
        VisusError: If it cannot be read.
    """
    return CaptionListing(open_shards(root, "captioning", codec())[0], (), 0)
