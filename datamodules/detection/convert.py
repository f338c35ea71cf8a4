"""Convert detection labels from one format to another."""

from pathlib import Path

from visus.datamodules.core.detection_files import FORMATS, DetectionListing
from visus.datamodules.core.pairing import simple_name
from visus.datamodules.core.problems import Problem, refuse
from visus.vision.output_files import copy_image
from visus.vision.output_folders import complete_folder
from visus.vision.progress import track


def convert(listing: DetectionListing, format: str, output: Path) -> list[Problem]:
    """Write a data set in another format, with copies of its images.

    Args:
        listing: The checked data set.
        format: `coco`, `voc` or `yolo`.
        output: A folder that does not exist yet, or is empty. Its content appears once it is
            complete.

    Returns:
        A warning for each kind of information that the format cannot hold.

    Raises:
        DataError: If the data set has problems that prevent training, as the new labels would hide
            them.
        VisusError: If the folder is not empty or cannot be written, or an image cannot be read.
    """
    refuse(listing.problems, skip_bad=True)
    with complete_folder(output) as folder:
        names = _unique_names(listing)
        targets = FORMATS[format].write(listing.samples, names, listing.class_names, folder)
        pairs = list(zip(listing.samples, targets, strict=True))
        for image, target in track(pairs, "Copying images", len(pairs)):
            copy_image(image.path, target)
    return _lost_information(listing, format, output)


def _unique_names(listing: DetectionListing) -> list[Path]:
    """A file name for each image, with a number where images of several folders share one."""
    taken: set[str] = set()
    names = []
    for image in listing.samples:
        stem, attempt = image.path.stem, 1
        # Case does not tell files apart on every system.
        while simple_name(stem) in taken:
            attempt += 1
            stem = f"{image.path.stem}-{attempt}"
        taken.add(simple_name(stem))
        names.append(Path(stem + image.path.suffix))
    return names


def _lost_information(listing: DetectionListing, format: str, output: Path) -> list[Problem]:
    objects = [item for image in listing.samples for item in image.objects]
    lost = {
        "masks": 0 if format == "coco" else sum(item.has_mask for item in objects),
        "crowd flags": 0 if format == "coco" else sum(item.crowd for item in objects),
        "difficult flags": 0 if format == "voc" else sum(item.difficult for item in objects),
    }
    if format == "yolo":
        lost["masks"] = sum(bool(item.runs) or len(item.polygons) > 1 for item in objects)
    return [
        Problem(str(output), f"{format} cannot hold {count} {kind}; they were left out", "warning")
        for kind, count in lost.items()
        if count
    ]
