"""Assemble the page from its sections."""

from pathlib import Path

from visus.apps.inference.inspected import InspectedNetwork
from visus.apps.pages.figures import data_uri
from visus.apps.pages.inspection.answer import (
    classifier_sections,
    explanation_section,
    robustness_section,
)
from visus.apps.pages.inspection.inspected import Inspected, shape_text
from visus.apps.pages.inspection.layers import (
    activation_section,
    convolution_section,
    normalisation_section,
    pooling_section,
    size_section,
)
from visus.apps.pages.inspection.maps import (
    field_section,
    image_section,
    maps_section,
    patches_section,
)
from visus.apps.pages.inspection.prediction import predict_for_page
from visus.apps.pages.rendering import render_page
from visus.models.inspection.subject import find_convolution
from visus.vision.errors import VisusError
from visus.vision.images import Pixels
from visus.vision.printable import printable

_SCRIPTS = ("image.js", "convolution.js", "windows.js", "field.js", "classifier.js")


def inspection_page(
    network: InspectedNetwork,
    image: Pixels,
    source: str,
    layer: str | None = None,
    patches: Path | None = None,
) -> str:
    """The page as one HTML document.

    Args:
        network: The network.
        image: uint8 of shape (height, width, channels).
        source: Name of the image.
        layer: Name of the convolution that is shown step by step; the first one by default.
        patches: A folder of images for the patches that excite a channel most.

    Raises:
        VisusError: If the image does not suit the network, or there is no such layer.
    """
    try:
        subject = network.subject(network.to_input(image))
    except VisusError as error:
        raise VisusError(f"{source}: {error}") from None
    inspected = Inspected(subject, find_convolution(subject, layer))
    prediction = predict_for_page(network, image)
    sections = [
        image_section(inspected),
        convolution_section(inspected),
        size_section(inspected),
        activation_section(inspected),
        pooling_section(inspected),
        normalisation_section(inspected),
        maps_section(inspected),
        patches_section(inspected, patches, network.to_input, layer is not None),
        field_section(inspected),
        *classifier_sections(inspected),
        explanation_section(inspected, prediction.explanations),
        robustness_section(inspected),
    ]
    parameters = sum(each.parameters for each in subject.layers)
    operations = sum(each.multiply_adds for each in subject.layers)
    return render_page(
        "inspection/inspection.html",
        ["inspection/inspection.css"],
        [f"inspection/{script}" for script in _SCRIPTS],
        {each.name: each.data for each in sections if each.data is not None},
        title=f"{printable(network.name)}, layer by layer",
        subtitle=f"{len(subject.layers)} layers, {parameters:,} parameters, {operations:,} "
        f"multiply-adds for an image of {shape_text(tuple(subject.image.shape[1:]))}",
        drawn=data_uri(prediction.drawn),
        summary=prediction.summary,
        folder="inspection",
        sections=sections,
    )
