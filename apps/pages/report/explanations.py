"""The section on explanations."""

from visus.apps.pages.report.errors import thumbnail
from visus.apps.pages.section import Section
from visus.apps.report.explanations import Explanations
from visus.vision.images import visible

_SIDE = 256


def explanations_section(explanations: Explanations) -> Section:
    """Maps of single samples, and what deletion says of such maps."""
    rows = [
        {
            "source": each.source,
            "truth": each.truth,
            "prediction": each.prediction,
            "image": thumbnail(visible(each.image), _SIDE),
            "maps": [(one.caption, thumbnail(one.image, _SIDE)) for one in each.maps],
        }
        for each in explanations.explained
    ]
    return Section(
        "explanations",
        "Explanations",
        {"explanations": explanations, "rows": rows},
        missing=explanations.missing,
    )
