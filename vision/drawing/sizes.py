"""Sizes of type and lines that suit an image."""


def type_size(shape: tuple[int, ...]) -> int:
    """Size of type in pixels: 15 on 640 x 480, 60 on 4,000 x 3,000, at least 10.

    Args:
        shape: Shape of the image, (height, width, ...).
    """
    return max(10, round(15 * _growth(shape)))


def line_width(shape: tuple[int, ...]) -> int:
    """Width of lines in pixels: 2 on 640 x 480, 8 on 4,000 x 3,000, at least 2.

    Args:
        shape: Shape of the image, (height, width, ...).
    """
    return max(2, round(2 * _growth(shape)))


def _growth(shape: tuple[int, ...]) -> float:
    # Slower than the image's side: large images are seen on large screens, where twice the pixels
    # need less than twice the type.
    return float((shape[0] * shape[1] / (640 * 480)) ** 0.375)
