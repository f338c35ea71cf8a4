import pytest

from visus.vision.wording import compared, counted


def test_one_is_singular():
    assert [counted(n, "problem") for n in (0, 1, 2)] == ["0 problems", "1 problem", "2 problems"]
    assert [counted(n, "person", "people") for n in (1, 2)] == ["1 person", "2 people"]


@pytest.mark.parametrize(
    ("value", "limit", "digits", "texts"),
    [
        (26.4, 40, 0, ("26", "40")),
        (39.7, 40, 0, ("39.7", "40.0")),
        (39.997, 40, 0, ("39.997", "40.000")),
        (40.0, 40, 0, ("40", "40")),
        (0.9288, 0.929, 2, ("0.9288", "0.9290")),
        (0.9299, 0.929, 2, ("0.93", "0.93")),
    ],
)
def test_rounded_values_compare_as_the_numbers_do(value, limit, digits, texts):
    assert compared(value, limit, digits) == texts
    assert (float(texts[0]) >= float(texts[1])) == (value >= limit)
