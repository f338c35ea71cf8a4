"""From whatever holds an image, or several, to frames: paths, addresses, arrays, lists."""

import glob
import time
import warnings
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from itertools import repeat
from os import PathLike, fspath
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from visus.apps.addresses import is_stream, without_secrets
from visus.apps.live.parallel import parallel_map
from visus.apps.live.sources import open_source
from visus.apps.live.sources.base import Source
from visus.apps.python.arrays import Channels, from_array, from_pillow, from_tensor, is_tensor
from visus.apps.python.download import fetch, is_web_address
from visus.vision.cores import usable_cores
from visus.vision.errors import VisusError
from visus.vision.frames import Frame
from visus.vision.images import ImageError, Pixels, read_image
from visus.vision.videos.recognition import is_video

ImageInMemory: TypeAlias = "NDArray[Any] | Image.Image | bytes"
"""An image that is not a file; PyTorch's tensors are taken too."""

_KINDS = (
    "a path, glob, folder or web address, bytes, a PIL image, a uint8 RGB array of shape (height, "
    "width, 3), a tensor, or a list of these"
)


class Images(NamedTuple):
    """The images of a source.

    Attributes:
        frames: The images, decoded one by one.
        single: Whether the source is one image, not a list of images.
        stored: Whether the images can be read from their files again.
    """

    frames: Iterator[Frame]
    single: bool
    stored: bool = False


def open_images(source: object, channels: Channels, wanted: int) -> Images:
    """Open one image or several; nothing but a single image is read yet.

    Args:
        source: See `visus.Model.predict`.
        channels: Order of the channels of arrays and tensors.
        wanted: Number of channels that the model takes.

    Raises:
        TypeError: If it is not an image.
        ValueError: If it is an array that is not an image.
        VisusError: If there is no such file, or it cannot be read.
    """
    if channels not in get_args(Channels):
        raise ValueError(f"channels={channels!r}: is neither 'rgb' nor 'bgr'")
    if isinstance(source, str | PathLike):
        return _open_place(fspath(source))
    if isinstance(source, list | tuple):
        threads = usable_cores() if len(source) > 1 else 1
        return Images(_listed(source, channels, wanted, threads), False)
    if is_tensor(source):
        images = from_tensor(source, "the tensor", channels, wanted)
        single = source.ndim == 3  # type: ignore[attr-defined]
        names = ["image"] if single else [f"image {i}" for i in range(len(images))]
        return Images((_frame(*pair) for pair in zip(images, names, strict=True)), single)
    return Images(iter([_frame(_in_memory(source, "the image", channels, wanted), "image")]), True)


def kept(source: object, images: Images) -> Iterator[bool]:
    """Whether the result of each image keeps it: the only one, or one that no file holds.

    Args:
        source: See `visus.Model.predict`.
        images: The same, opened.
    """
    if isinstance(source, list | tuple):
        for each in source:
            yield not isinstance(each, str | PathLike) or is_web_address(str(fspath(each)))
    else:
        yield from repeat(images.single or not images.stored)


def read_single(source: object, channels: Channels = "rgb", wanted: int = 3) -> Frame:
    """Read one image of any kind.

    Raises:
        TypeError: As `open_images`, or if the source is several images.
        ValueError: As `open_images`.
        VisusError: As `open_images`.
    """
    images = open_images(source, channels, wanted)
    if not images.single:
        raise TypeError(f"one image is expected, not several: {source!s:.80}")
    return next(images.frames)


def open_stream(source: object, channels: Channels, wanted: int) -> Source:
    """Open a video, a camera, a stream, images, or an iterable of images, such as a generator.

    Raises:
        TypeError: If it is none of these.
        VisusError: If it cannot be opened.
    """
    if isinstance(source, int) and not isinstance(source, bool):
        return open_source(str(source))
    if isinstance(source, str | PathLike):
        place = str(fspath(source))
        if place == "-":
            raise VisusError("source '-': standard input belongs to visus live; give its frames")
        return open_source(place)
    if isinstance(source, Iterable) and not isinstance(source, bytes | np.ndarray):
        return _IterableSource(source, channels, wanted)
    raise TypeError(
        f"a stream is a path, an address, a camera's number or an iterable of images, not "
        f"{_type_of(source)}; model(image) takes a single image"
    )


class _IterableSource(Source):
    """Images that a program yields, as the frames of a video."""

    def __init__(self, images: Iterable[object], channels: Channels, wanted: int) -> None:
        super().__init__()
        self._images, self._channels, self._wanted = images, channels, wanted

    def frames(self) -> Generator[Frame, None, None]:
        """See `Source.frames`."""
        frames = _listed(self._images, self._channels, self._wanted)
        start = time.perf_counter()
        for index, frame in enumerate(frames):
            now = time.perf_counter()
            yield Frame(frame.image, frame.source, index, now - start, now)


def _open_place(place: str | bytes) -> Images:
    """Open a path, a glob, a folder or an address."""
    if isinstance(place, bytes):
        raise TypeError("a path is text here; os.fsdecode(path)")
    path = Path(place)
    is_video_file = is_video(path) and not path.is_dir()
    camera = place.isdecimal() and not path.exists()
    if (is_stream(place) and not is_web_address(place)) or is_video_file or camera:
        name = without_secrets(place)
        kind = "camera" if camera else "video"
        raise VisusError(f"source {name!r}: is a {kind}; for result in model.stream(...)")
    if is_web_address(place):
        name = without_secrets(place)
        return Images(iter([_frame(_decode(fetch(place), name), name)]), True)
    # A file may be called like a glob.
    several = path.is_dir() or path.suffix.lower() == ".csv"
    several = several or (not path.exists() and glob.has_magic(place))
    if place in ("", "-") or several or not path.is_file():
        return Images(_read_all(open_source(place if place != "-" else "")), not several, True)
    return Images(iter([_frame(read_image(path), place)]), True, True)


def _read_all(source: Source) -> Iterator[Frame]:
    """The images of a source; those that cannot be read are warned of at the end."""
    with closing(source.frames()) as frames:
        yield from frames
    warn_of(source)


def warn_of(source: Source) -> None:
    """Warn of each input of a source that could not be read."""
    for problem in source.problems:
        warnings.warn(problem, stacklevel=2)


def _listed(
    images: Iterable[object], channels: Channels, wanted: int, threads: int = 1
) -> Iterator[Frame]:
    """The images of a list, which must be one each, decoded in a number of threads."""

    def read(numbered: tuple[int, object]) -> Frame:
        i, image = numbered
        place = f"images[{i}]"
        if isinstance(image, str | PathLike):
            opened = _open_place(fspath(image))
            if not opened.single:
                raise TypeError(f"{place}: {str(image)!r} is several images; give it by itself")
            return next(opened.frames)
        if is_tensor(image):
            pixels = from_tensor(image, place, channels, wanted)
            if image.ndim == 4:  # type: ignore[attr-defined]
                raise TypeError(f"{place}: is a batch of tensors; give it by itself")
            return _frame(pixels[0], f"image {i}")
        return _frame(_in_memory(image, place, channels, wanted), f"image {i}")

    return parallel_map(read, enumerate(images), threads, lambda frame: frame.image.nbytes)


def _in_memory(image: object, place: str, channels: Channels, wanted: int) -> Pixels:
    if isinstance(image, np.ndarray):
        return from_array(image, place, channels, wanted)
    if isinstance(image, Image.Image):
        return from_pillow(image, place)
    if isinstance(image, bytes | bytearray | memoryview):
        return _decode(bytes(image), place)
    remedy = f"give {_KINDS}"
    if image is None:
        remedy = (
            "cv2.imread returns None for a file that it cannot read; give the path of the file, "
            "and the reason is named"
        )
    elif isinstance(image, int):
        remedy = "a camera is read by model.stream(...)"
    elif hasattr(image, "read"):
        remedy = "give its bytes, file.read()"
    elif hasattr(image, "__array__"):
        remedy = "np.asarray(image) may convert it"
    raise TypeError(f"{place} is {_type_of(image)}; {remedy}")


def _decode(data: bytes, place: str) -> Pixels:
    """Decode the bytes of an image file; errors name the place."""
    try:
        return read_image(data)
    except ImageError as error:
        raise ImageError(f"{place}: {str(error).removeprefix('image: ')}") from None


def _frame(image: Pixels, source: str) -> Frame:
    return Frame(image, source, None, None, time.perf_counter())


def _type_of(value: object) -> str:
    kind = type(value)
    if value is None:
        return "None"
    module = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
    return f"of type {module}{kind.__qualname__}"
