"""The sections on the answer: classifier, softmax, explanations, robustness."""

from typing import TYPE_CHECKING

import numpy as np
import torch

from visus.apps.pages.figures import BLUE, GREEN, ORANGE, RED, data_uri, overlaid, plot
from visus.apps.pages.inspection.inspected import Inspected, shape_text
from visus.apps.pages.rendering import encode_array
from visus.apps.pages.section import Section
from visus.models.inspection.classifier import ClassifierParts, classifier_parts
from visus.models.inspection.robustness import (
    Equivariance,
    measure_equivariance,
    measure_invariance,
)
from visus.models.inspection.saliency import score_saliency
from visus.models.inspection.subject import Subject
from visus.tasks.spec import Explanation
from visus.vision.sampling import evenly_spaced

if TYPE_CHECKING:
    from markupsafe import Markup

_NO_LOGITS = "This network has no last linear layer that computes one logit for each class."
_TOP = 10
_EQUIVARIANT_LAYERS = 4
_COLOURS = (BLUE, GREEN, ORANGE, RED)


def classifier_sections(inspected: Inspected) -> list[Section]:
    """The classifier as a sum of parts, and softmax with a temperature."""
    titles = {
        "classifier": "Flattening, and the classifier as a sum of parts",
        "softmax": "Softmax and temperature",
    }
    subject = inspected.subject
    parts = classifier_parts(subject)
    if parts is None:
        return [Section(name, title, missing=_NO_LOGITS) for name, title in titles.items()]
    names = [subject.class_names[i] for i in parts.best]
    facts = {
        "layer": parts.layer,
        "maps": None if parts.maps is None else shape_text(parts.maps),
        "flattened": None if parts.maps is None else int(np.prod(parts.maps)),
        "features": len(parts.features),
        "names": names,
        "classes": len(parts.logits),
    }
    data = {
        "features": encode_array(parts.features),
        "weights": encode_array(parts.weights),
        "bias": encode_array(parts.bias),
        "logits": [float(parts.logits[i]) for i in parts.best],
    }
    sections = [Section("classifier", titles["classifier"], facts, data)]
    if not parts.softmax:
        missing = "The scores of this network are not softmax: its classes are independent."
        return [*sections, Section("softmax", titles["softmax"], missing=missing)]
    return [*sections, _softmax_section(titles["softmax"], subject, parts)]


def _softmax_section(title: str, subject: Subject, parts: ClassifierParts) -> Section:
    order = np.argsort(-parts.logits, kind="stable")[:_TOP]
    data = {
        "logits": encode_array(parts.logits),
        "top": [[int(i), subject.class_names[i]] for i in order],
    }
    return Section("softmax", title, {"classes": len(parts.logits)}, data)


def explanation_section(inspected: Inspected, explanations: list[Explanation]) -> Section:
    """The maps that explain the prediction; saliency where the task has none of its own.

    Args:
        inspected: The network.
        explanations: Those of the task.
    """
    name, title = "explanation", "Where the answer comes from"
    subject = inspected.subject
    figures = [(each.caption, data_uri(each.image)) for each in explanations]
    if not figures and subject.scores is not None:
        index = _best_class(subject)
        heat = score_saliency(subject, index)
        caption = f"saliency: {subject.class_names[index]}"
        figures = [(caption, data_uri(overlaid(inspected.pixels, heat)))]
    if not figures:
        return Section(name, title, missing="This network has no class scores to explain.")
    return Section(name, title, {"figures": figures})


def robustness_section(inspected: Inspected) -> Section:
    """What a shift, a rotation, a crop and noise do to the answer."""
    subject = inspected.subject
    invariances = []
    index = None
    figure = None
    if subject.scores is not None:
        index = _best_class(subject)
        invariances = measure_invariance(subject, index)
        label = "Score of the class under shift, rotation, crop and noise"
        with plot(label, 10, 2.6) as drawn:
            for i, each in enumerate(invariances):
                axes = drawn.figure.add_subplot(1, len(invariances), i + 1)
                axes.plot(each.amounts, each.scores, color=BLUE, marker="o", markersize=3)
                axes.set_ylim(-0.02, 1.02)
                axes.set_title(each.change, fontsize=9)
                axes.set_xlabel(each.unit)
                axes.grid(True)
        figure = drawn.svg
    layers = [each for each in subject.spatial_layers if each.field and min(each.output[1:]) >= 4]
    measured = measure_equivariance(subject, evenly_spaced(layers, _EQUIVARIANT_LAYERS))
    facts = {
        "name": None if index is None else subject.class_names[index],
        "invariances": invariances,
        "figure": figure,
        "equivariances": measured,
        "shifts": _equivariance_figure(measured) if measured else None,
    }
    return Section("robustness", "Invariance and equivariance, measured", facts)


def _equivariance_figure(measured: list[Equivariance]) -> "Markup":
    with plot("Cosine similarity of shifted feature maps", 10, 2.8) as drawn:
        axes = drawn.figure.add_subplot(1, 1, 1)
        for layer, ink in zip(measured, _COLOURS, strict=False):
            label = f"{layer.layer}: {layer.jump} px between values"
            axes.plot(layer.shifts, layer.similarities, color=ink, marker="o", ms=3, label=label)
        axes.set_xlabel("shift in pixels to the right")
        axes.set_ylabel("similarity")
        axes.set_ylim(min(0.0, *(min(each.similarities) for each in measured)) - 0.02, 1.02)
        axes.grid(True)
        axes.legend(loc="lower left")
    return drawn.svg


def _best_class(subject: Subject) -> int:
    with torch.no_grad():
        return int(subject.class_scores(subject.image)[0].argmax())
