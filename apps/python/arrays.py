"""Convert images in memory, of any library, to the arrays that models take."""

import sys
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from visus.vision.images import ImageError, Pixels, to_rgb

Channels = Literal["rgb", "bgr"]
"""Order of the channels of NumPy arrays and tensors: `bgr` is OpenCV's."""

_DEEP_MODES = ("I", "F")


def is_tensor(image: object) -> bool:
    """Whether an object is a tensor of PyTorch, which is not imported for that."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(image, torch.Tensor)


def from_pillow(image: Image.Image, place: str) -> Pixels:
    """An image of Pillow as uint8 RGB, upright as its EXIF orientation says.

    Raises:
        ValueError: If its pixels have more than 8 bits.
        ImageError: If it cannot be decoded, which Pillow does when its pixels are needed.
    """
    if image.mode.startswith(_DEEP_MODES):
        raise ValueError(
            f"{place}: pixels of mode {image.mode!r} have no fixed range; give the path of the "
            "file, or scale them to 8 bits"
        )
    try:
        upright = ImageOps.exif_transpose(image)
        if upright.mode == "RGB" and image.format is None:
            # Pillow keeps the transparent colour of a file that was converted to RGB.
            upright.info.pop("transparency", None)
        return np.asarray(to_rgb(upright))
    except OSError as error:
        raise ImageError(
            f"{place}: truncated or damaged ({error}); fetch or export it again"
        ) from None


def from_array(array: NDArray[Any], place: str, channels: Channels, wanted: int) -> Pixels:
    """An array as an image.

    Args:
        array: uint8 of shape (height, width) or (height, width, channels).
        place: What the array is called in messages.
        channels: Order of its channels.
        wanted: Number of channels that the model takes.

    Returns:
        uint8 RGB of shape (height, width, 3); grey is repeated and transparent pixels are blended
        with white. An array that has as many channels as the model takes is returned in that order.

    Raises:
        ValueError: If it is no such array.
    """
    if array.ndim == 4:
        raise ValueError(f"{place}: has shape {array.shape}; give a list of images, list(batch)")
    if array.ndim == 3 and array.shape[0] in (1, 3, 4) and array.shape[2] not in (1, 3, 4, wanted):
        raise ValueError(
            f"{place}: has shape {array.shape}, channels come last; image.transpose(1, 2, 0)"
        )
    if array.ndim not in (2, 3) or not array.size:
        raise ValueError(
            f"{place}: has shape {array.shape}; an image has shape (height, width, channels)"
        )
    if array.dtype != np.uint8:
        remedy = "scale it to 0 to 255 and call .astype(np.uint8)"
        if np.issubdtype(array.dtype, np.floating):
            remedy = "(image * 255).astype(np.uint8) where its values lie between 0 and 1"
        raise ValueError(f"{place}: an image is uint8, this is {array.dtype}; {remedy}")
    pixels = array if array.ndim == 3 else array[..., None]
    count = pixels.shape[2]
    if channels == "bgr" and count in (3, 4):
        pixels = pixels[..., [2, 1, 0, *range(3, count)]]
    if count == wanted:
        return np.ascontiguousarray(pixels)
    if count == 1:
        return np.repeat(pixels, 3, axis=2)
    if count == 4:
        return np.asarray(to_rgb(Image.fromarray(np.ascontiguousarray(pixels))))
    return np.ascontiguousarray(pixels)


def from_tensor(tensor: Any, place: str, channels: Channels, wanted: int) -> list[Pixels]:
    """A tensor as images, one for each of its first dimension where it has four.

    Args:
        tensor: uint8, or float between 0 and 1, of shape (channels, height, width) or
            (batch, channels, height, width), on any device.
        place: What the tensor is called in messages.
        channels: Order of its channels.
        wanted: Number of channels that the model takes.

    Raises:
        ValueError: If it is no such tensor.
    """
    array = tensor.detach().cpu()
    shape = tuple(array.shape)
    if len(shape) not in (3, 4) or shape[-3] not in (1, 3, 4, wanted):
        raise ValueError(
            f"{place}: a tensor has shape (channels, height, width) or (batch, channels, height, "
            f"width), not {shape}"
        )
    if array.is_floating_point():
        # NumPy has no bfloat16.
        values = array.float().numpy()
        if values.size and not (values.min() >= 0 and values.max() <= 1):
            raise ValueError(
                f"{place}: a float tensor lies between 0 and 1, this one between "
                f"{values.min():g} and {values.max():g}; pass the image before normalisation, or "
                "uint8"
            )
        pixels = np.rint(values * 255).astype(np.uint8)
    else:
        pixels = array.numpy()
    single = pixels.ndim == 3
    planes = pixels[None] if single else pixels
    return [
        from_array(plane.transpose(1, 2, 0), place if single else f"{place}[{i}]", channels, wanted)
        for i, plane in enumerate(planes)
    ]
