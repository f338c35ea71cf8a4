"""The sections on single layers: convolution, size, activation, pooling, normalisation."""

import numpy as np
from torch import nn

from visus.apps.pages.figures import BLUE, GREEN, ORANGE, plot
from visus.apps.pages.inspection.inspected import Inspected, shape_text
from visus.apps.pages.rendering import encode_array
from visus.apps.pages.section import Section
from visus.models.backbones.summary import Layer
from visus.models.inspection.activations import STANDARD, activation_layers, count_dead, curve
from visus.models.inspection.convolution import step_through
from visus.models.inspection.normalisation import is_batch_norm, normalised_channels
from visus.models.inspection.pooling import pooling_crop
from visus.models.inspection.recording import record

_MAX_ROWS = 40
"""Activation layers that are listed; deeper networks have hundreds."""


def convolution_section(inspected: Inspected) -> Section:
    """One convolution step by step."""
    name, title = "convolution", "One convolution, step by step"
    subject, layer = inspected.subject, inspected.layer
    module = subject.module(layer)
    assert isinstance(module, nn.Conv2d)
    values = record(subject, [layer.name], subject.image)[layer.name]
    step = step_through(module, values)
    if step is None:
        return Section(
            name,
            title,
            missing=f"{layer.name} transforms its weights before it computes with them, so that "
            "its stored weights do not give its output.",
        )
    data = {
        "channels": step.channels,
        "inputs": encode_array(step.inputs),
        "inputChannels": step.input_channels,
        "first": step.first,
        "weights": encode_array(step.weights),
        "bias": encode_array(step.bias),
        "outputs": encode_array(step.outputs),
        "corner": [step.top, step.left],
        "padding": step.padding,
        "stride": step.stride,
        "dilation": step.dilation,
        "size": step.size,
    }
    facts = {
        "layer": layer,
        "channels": step.channels,
        "rows": step.outputs.shape[1],
        "columns": step.outputs.shape[2],
        "depth": step.weights.shape[1],
        "groups": module.groups,
        "received": shape_text(tuple(values.input.shape[1:])),
        "made": shape_text(layer.output),
    }
    return Section(name, title, facts, data)


def size_section(inspected: Inspected) -> Section:
    """The size of a convolution's output, from padding and stride."""
    layer = inspected.layer
    values = record(inspected.subject, [layer.name], inspected.subject.image)[layer.name]
    assert layer.kernel and layer.stride and layer.padding
    received = int(values.input.shape[2])
    facts = {
        "layer": layer,
        "received": received,
        "kernel": layer.kernel[0],
        "padding": layer.padding[0],
        "stride": layer.stride[0],
        "limit": max(64, received),
    }
    return Section("size", "Padding and stride", facts, {})


def activation_section(inspected: Inspected) -> Section:
    """Activation functions with their derivatives, and the values that they receive."""
    subject = inspected.subject
    layer = _follower(inspected, activation_layers(subject))
    received = None
    if layer is not None:
        values = record(subject, [layer.name], subject.image)[layer.name]
        received = np.asarray(values.input[0].float().flatten().cpu().numpy(), np.float32)
        heights, edges = np.histogram(np.clip(received, -6, 6), 60, (-6, 6))
    functions = dict(STANDARD)
    if layer is not None:
        functions = {f"{layer.kind} (this layer)": subject.module(layer)} | functions
    functions = dict(list(functions.items())[:6])
    points = np.linspace(-6.0, 6.0, 241)
    label = "Activation functions, their derivatives, and the distribution of the values"
    with plot(label, 10, 5) as drawn:
        for i, (name, function) in enumerate(functions.items()):
            axes = drawn.figure.add_subplot(2, 3, i + 1)
            if received is not None:
                behind = axes.twinx()
                behind.stairs(heights, edges, fill=True, color="#88888866")
                behind.set_yticks([])
                behind.spines["right"].set_visible(False)
                axes.set_zorder(behind.get_zorder() + 1)
            outputs, slopes = curve(function, points)
            axes.plot(points, outputs, color=BLUE, label="value")
            axes.plot(points, slopes, color=ORANGE, linestyle="--", label="derivative")
            axes.set_ylim(-1.5, 3.5)
            axes.grid(True)
            axes.set_title(name, fontsize=9)
            if i == 0:
                axes.legend(loc="upper left")
    counts = count_dead(subject)
    facts = {
        "layer": layer,
        "figure": drawn.svg,
        "counts": counts[:_MAX_ROWS],
        "left_out": max(0, len(counts) - _MAX_ROWS),
        "dead": sum(each.dead for each in counts),
        "channels": sum(each.channels for each in counts),
        "negative": None if received is None else float((received <= 0).mean()),
    }
    return Section("activation", "Activation functions and their derivatives", facts)


def pooling_section(inspected: Inspected) -> Section:
    """Maximum and average pooling of a crop."""
    crop = pooling_crop(inspected.subject)
    assert crop is not None
    data = {"values": encode_array(crop.values), "kernel": crop.kernel, "stride": crop.stride}
    facts = {"crop": crop, "side": int(min(crop.values.shape))}
    return Section("pooling", "Maximum and average pooling", facts, data)


def normalisation_section(inspected: Inspected) -> Section:
    """Batch normalisation before and after."""
    name, title = "normalisation", "Batch normalisation, before and after"
    subject = inspected.subject
    norms = [each for each in subject.spatial_layers if is_batch_norm(subject.module(each))]
    layer = _follower(inspected, norms)
    if layer is None:
        return Section(name, title, missing="This network has no batch normalisation.")
    recorded = record(subject, [layer.name], subject.image)[layer.name]
    channels = normalised_channels(subject.module(layer), recorded)
    label = "Distribution of the values of some channels before and after batch normalisation"
    with plot(label, 10, 2.4) as drawn:
        for i, each in enumerate(channels):
            axes = drawn.figure.add_subplot(1, len(channels), i + 1)
            both = np.concatenate([each.before, each.after])
            low, high = (float(value) for value in np.percentile(both, [0.5, 99.5]))
            limits = (low, max(high, low + 1e-3))
            for when, values, ink in (("before", each.before, BLUE), ("after", each.after, GREEN)):
                heights, edges = np.histogram(values, 50, limits)
                axes.stairs(heights, edges, fill=True, color=ink, alpha=0.6, label=when)
            axes.set_title(f"channel {each.channel}", fontsize=9)
            axes.set_yticks([])
            if i == 0:
                axes.legend()
    return Section(name, title, {"layer": layer, "figure": drawn.svg, "channels": channels})


def _follower(inspected: Inspected, candidates: list[Layer]) -> Layer | None:
    """The first of these layers after the chosen convolution, else the last one before it."""
    order = {layer.name: i for i, layer in enumerate(inspected.subject.layers)}
    place = order[inspected.layer.name]
    later = [each for each in candidates if order[each.name] > place]
    return later[0] if later else candidates[-1] if candidates else None
