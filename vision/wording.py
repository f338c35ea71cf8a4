"""Numbers in messages: counts with their noun, and values that are compared with a limit."""


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """A count with its noun: `1 face`, `2 faces`.

    Args:
        number: The count.
        noun: In the singular.
        plural: Of the noun; with an `s` by default.
    """
    return f"{number} {noun if number == 1 else plural or noun + 's'}"


def compared(value: float, limit: float, digits: int = 0) -> tuple[str, str]:
    """A value and its limit, rounded so that the texts compare as the numbers do.

    A value below its limit never reads as if it reached it: `39.7` and `40.0`, not twice `40`.

    Args:
        value: The value.
        limit: What it is compared with.
        digits: Decimal places where these suffice; both texts get more where they do not.
    """
    for places in range(digits, 17):
        texts = f"{value:.{places}f}", f"{limit:.{places}f}"
        if (float(texts[0]) >= float(texts[1])) == (value >= limit):
            return texts
    return repr(value), repr(limit)
