"""Which files are images or videos, by their suffix."""

from pathlib import Path

EXTENSIONS = frozenset(
    {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".gif", ".ppm", ".pgm", ".pnm"}
    | {".heic", ".heif", ".avif"}
)
"""File name endings of images, in lower case."""

VIDEO_EXTENSIONS = frozenset(
    {".mp4", ".avi", ".mkv", ".mov", ".webm", ".m4v", ".mpg", ".mpeg", ".wmv"}
)
"""File name endings of videos, in lower case."""

ARRAY_EXTENSION = ".npy"
"""File name ending of images with other channels than RGB: uint8 (height, width, channels)."""


def list_images(folder: Path, arrays: bool = False) -> list[Path]:
    """Image files in a folder and its subfolders by file name ending, sorted, without hidden ones.

    Args:
        folder: The folder.
        arrays: Whether `.npy` files are included.
    """
    endings = EXTENSIONS | {ARRAY_EXTENSION} if arrays else EXTENSIONS
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in endings
        and path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )
