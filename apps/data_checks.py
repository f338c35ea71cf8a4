"""Check a data set of each task: its counts, and every problem by file and line."""

import argparse
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from rich.table import Table

from visus.apps.cli import EXIT_BAD_INPUT, CommandError
from visus.apps.console import console

if TYPE_CHECKING:
    from visus.datamodules.core.problems import Problem


def _check_classification(args: argparse.Namespace) -> int:
    from visus.datamodules.classification.files import count_classes, read_listing

    if args.draw:
        raise CommandError(f"--draw shows boxes or masks; {args.path} holds none")
    listing = read_listing(args.path)
    splits = sorted({sample.split for sample in listing.samples})
    table = Table("class", *(split or "pictures" for split in splits))
    counts = [
        count_classes([s for s in listing.samples if s.split == split], listing.class_names)
        for split in splits
    ]
    for i, name in enumerate(listing.class_names):
        table.add_row(name, *(str(column[i]) for column in counts))
    console().print(table)
    if listing.multi_label:
        print("several labels a picture")
    _tell_sizes([sample.size for sample in listing.samples])
    return _tell_problems(listing.problems)


def _check_segmentation(args: argparse.Namespace) -> int:
    from visus.datamodules.core.label_images_tmp import draw_masks
    from visus.datamodules.segmentation.files import read_segmentation

    ignore = int(args.ignore) if args.ignore.isdecimal() else args.ignore
    ignore = None if ignore == "null" else ignore
    listing = read_segmentation(
        args.path, ignore=ignore, exif=args.exif, in_channels=args.in_channels
    )
    splits = sorted({picture.split for picture in listing.pictures})
    table = Table("class", *(f"{split or 'pixels'}, in pictures" for split in splits))
    members = [[p for p in listing.pictures if p.split == split] for split in splits]
    wholes = [max(1, sum(sum(p.counts) for p in pictures)) for pictures in members]
    for i, name in enumerate(listing.classes.names):
        told = [
            f"{sum(p.counts[i] for p in pictures) / whole:.2%}, "
            f"{sum(p.counts[i] > 0 for p in pictures)}"
            for pictures, whole in zip(members, wholes, strict=True)
        ]
        table.add_row(name, *told)
    table.add_section()
    table.add_row("pictures", *(str(len(pictures)) for pictures in members))
    pixels = [max(1, sum(p.size[0] * p.size[1] for p in pictures)) for pictures in members]
    shares = zip(wholes, pixels, strict=True)
    table.add_row("of their pixels in no class", *(f"{1 - a / b:.2%}" for a, b in shares))
    console().print(table)
    _tell_sizes([picture.size for picture in listing.pictures])
    if args.draw:
        print(f"{draw_masks(listing, args.draw)} pictures with their masks drawn in {args.draw}")
    return _tell_problems(listing.problems)


def _check_detection(args: argparse.Namespace) -> int:
    from visus.datamodules.core.label_images_tmp import draw_labels
    from visus.datamodules.core.detection_files import read_detection

    listing = read_detection(args.path, args.format, exif=args.exif)
    splits = sorted({picture.split for picture in listing.pictures})
    table = Table("class", *(split or "objects" for split in splits), title=listing.format)
    counts = [
        Counter(i.label for p in listing.pictures if p.split == split for i in p.objects)
        for split in splits
    ]
    for name in listing.class_names:
        table.add_row(name, *(str(count[name]) for count in counts))
    by_split = [[p for p in listing.pictures if p.split == split] for split in splits]
    table.add_section()
    table.add_row("pictures", *(str(len(members)) for members in by_split))
    empty = [sum(not picture.objects for picture in members) for members in by_split]
    table.add_row("of these without objects", *map(str, empty))
    console().print(table)
    _tell_sizes([picture.size for picture in listing.pictures])
    objects = [item for picture in listing.pictures for item in picture.objects]
    sides = sorted(min(i.box[2] - i.box[0], i.box[3] - i.box[1]) for i in objects)
    if sides:
        middle = sides[len(sides) // 2]
        masks = sum(item.has_mask for item in objects)
        print(
            f"{len(objects)} objects, their shorter sides {sides[0]:g} to {sides[-1]:g} px, "
            f"{middle:g} in the middle; {masks} have masks"
        )
    if args.draw:
        print(f"{draw_labels(listing, args.draw)} labelled pictures drawn in {args.draw}")
    return _tell_problems(listing.problems)


def _check_face_recognition(args: argparse.Namespace) -> int:
    from visus.datamodules.face_recognition.files import find_people, list_people
    from visus.models.faces.mtcnn import create_face_finder

    listed = list_people(args.path)
    stages = None if args.aligned else create_face_finder().stages()
    usable, problems = find_people(listed, stages, args.min_face)
    splits = sorted({picture.split for picture in listed})
    table = Table("", *(split or "all" for split in splits))
    members = [[p for p in usable if p.split == split] for split in splits]
    counts = [Counter(picture.person for picture in pictures) for pictures in members]
    table.add_row("people", *(str(len(count)) for count in counts))
    # Only these are ever compared with themselves.
    several = [sum(times > 1 for times in count.values()) for count in counts]
    table.add_row("of these with several pictures", *map(str, several))
    table.add_row("pictures with a face", *(str(len(pictures)) for pictures in members))
    console().print(table)
    sides = sorted(float(p.face.sides[0]) for p in usable if p.face is not None)
    if sides:
        middle = sides[len(sides) // 2]
        print(f"faces of {sides[0]:.0f} to {sides[-1]:.0f} px, {middle:.0f} in the middle")
    return _tell_problems(problems)


def _check_captioning(args: argparse.Namespace) -> int:
    from visus.datamodules.captioning.files import read_captions
    from visus.vision.vocabulary import tokenise

    listing = read_captions(args.path)
    splits = sorted({picture.split for picture in listing.pictures})
    table = Table("", *(split or "all" for split in splits))
    members = [[p for p in listing.pictures if p.split == split] for split in splits]
    captions = [[tokenise(text) for p in pictures for text in p.captions] for pictures in members]
    table.add_row("pictures", *(str(len(pictures)) for pictures in members))
    table.add_row("captions", *(str(len(told)) for told in captions))
    words = [Counter(word for caption in told for word in caption) for told in captions]
    table.add_row("words", *(str(len(count)) for count in words))
    rare = [sum(times < 3 for times in count.values()) for count in words]
    table.add_row("of these fewer than three times", *map(str, rare))
    lengths = [sorted(len(caption) for caption in told) for told in captions]
    spans = [f"{n[0]} to {n[-1]}, {n[len(n) // 2]} in the middle" for n in lengths]
    table.add_row("words of a caption", *spans)
    console().print(table)
    return _tell_problems(listing.problems)


def _tell_problems(problems: "Sequence[Problem]") -> int:
    """Print all; the exit code tells whether any would stop training."""
    from visus.datamodules.core.problems import report

    print(report(problems))
    stopping = any(problem.severity != "warning" for problem in problems)
    return EXIT_BAD_INPUT if stopping else 0


def _tell_sizes(sizes: list[tuple[int, int]]) -> None:
    if sizes:
        heights, widths = (sorted(size[axis] for size in sizes) for axis in (0, 1))
        print(
            f"{len(sizes)} readable pictures, {widths[0]} to {widths[-1]} wide, "
            f"{heights[0]} to {heights[-1]} high"
        )


CHECKS: dict[str, Callable[[argparse.Namespace], int]] = {
    "captioning": _check_captioning,
    "classification": _check_classification,
    "detection": _check_detection,
    "face_recognition": _check_face_recognition,
    "segmentation": _check_segmentation,
}
"""By task what checks a data set: prints, and returns the exit code."""
