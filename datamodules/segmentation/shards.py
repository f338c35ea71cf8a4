"""Images with masks in shards."""

from collections.abc import Sequence
from functools import cache

from pydantic import TypeAdapter

from visus.datamodules.core.shards.codec import SampleCodec
from visus.datamodules.core.shards.data import open_shards
from visus.datamodules.segmentation.class_table import ClassTable
from visus.datamodules.segmentation.files import SegmentationListing
from visus.datamodules.segmentation.mask_pairs import MaskedImage


@cache
def codec() -> SampleCodec[MaskedImage]:
    """Converts images to records and back."""
    return SampleCodec(MaskedImage, image="path", mask="mask")


def content(listing: SegmentationListing) -> dict[str, object]:
    """What the index holds beside the images."""
    return {"classes": TypeAdapter(ClassTable).dump_python(listing.classes, mode="json")}


def read_listing(root: str, class_names: Sequence[str] | None) -> SegmentationListing:
    """The images of a data set in shards.

    Args:
        root: Its folder or its address.
        class_names: The classes of a checkpoint, in order.

    Raises:
        VisusError: If it cannot be read, or has other classes.
    """
    images, stored = open_shards(root, "segmentation", codec())
    table = TypeAdapter(ClassTable).validate_python(stored["classes"])
    if class_names is not None and tuple(class_names) != table.names:
        table = table.reordered(class_names)
    return SegmentationListing(images, table, (), 0)
