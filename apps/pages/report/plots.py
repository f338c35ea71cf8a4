"""Plots of the report as inline SVG."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from visus.apps.pages.figures import BLUE, GREEN, ORANGE, RED, plot
from visus.apps.report.calibration import Calibration
from visus.tasks.assessment import Confusion, Curves

if TYPE_CHECKING:
    from markupsafe import Markup

_INKS = (BLUE, ORANGE, GREEN, RED, "#8f6bd6", "#a3803c", "#d063a8", "#6c7a89", "#55b9c4", "#b4b43c")
_MAX_CLASSES = 30
"""Classes of a confusion matrix; beyond, the cells would be too small to read."""

_MAX_LINES = 10
"""Curves of one plot, as many as there are colours."""


_LEAST_SHARE = 0.02
"""Fraction of all answers that a bin of the calibration curve holds at least."""


def curves_svg(curves: Curves) -> "Markup":
    """Curves over one axis; the first ten, where there are more."""
    with plot(curves.title, 5.2, 3.4) as drawn:
        axes = drawn.figure.subplots()
        if curves.diagonal:
            axes.plot([0, 1], [0, 1], color="#888888", linewidth=0.8, linestyle=":")
        lines = list(curves.lines.items())[:_MAX_LINES]
        for ink, (name, (x, y)) in zip(_INKS, lines, strict=False):
            axes.plot(x, y, color=ink, label=name, linewidth=1.6)
        axes.set(xlabel=curves.x_label, ylabel=curves.y_label, xlim=(0, 1), ylim=(0, 1.02))
        axes.grid(True)
        if len(lines) > 1:
            axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return drawn.svg


def confusion_svg(confusion: Confusion) -> "Markup | None":
    """A confusion matrix, coloured by the fraction of each true class; None with many classes."""
    counts, names = confusion.counts, confusion.class_names
    count = len(names)
    if count > _MAX_CLASSES:
        return None
    shares = counts / np.maximum(1, counts.sum(1, keepdims=True))
    pixels = confusion.unit == "pixels"
    side = max(3.0, 0.45 * count + 1.5)
    with plot("Confusion matrix", side + 0.6, side) as drawn:
        axes = drawn.figure.subplots()
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="equal")
        for i in range(count):
            for k in range(count):
                if counts[i, k]:
                    text = f"{shares[i, k]:.0%}" if pixels else str(counts[i, k])
                    ink = "white" if shares[i, k] > 0.5 else "#1c2430"
                    axes.text(k, i, text, ha="center", va="center", color=ink, fontsize=7)
        axes.set_xticks(range(count), names, rotation=60, ha="right", rotation_mode="anchor")
        axes.set_yticks(range(count), names)
        axes.set(xlabel="predicted", ylabel="true")
    return drawn.svg


def calibration_svg(before: Calibration, after: Calibration) -> "Markup":
    """Accuracy over confidence, before and after temperature scaling."""
    with plot("Calibration", 4.4, 3.4) as drawn:
        axes = drawn.figure.subplots()
        axes.plot([0, 1], [0, 1], color="#888888", linewidth=0.8, linestyle=":", label="ideal")
        for calibration, ink, name in ((before, BLUE, "as it is"), (after, ORANGE, "scaled")):
            label = f"{name}, error {calibration.error:.3f}"
            # The accuracy of a few answers says nothing.
            shown = calibration.counts >= _LEAST_SHARE * calibration.counts.sum()
            x, y = calibration.confidence[shown], calibration.accuracy[shown]
            axes.plot(x, y, color=ink, label=label, marker="o", markersize=4)
        axes.set(xlabel="confidence", ylabel="accuracy", xlim=(0, 1.02), ylim=(0, 1.05))
        axes.grid(True)
        axes.legend(loc="upper left")
    return drawn.svg


def lines_svg(
    title: str, x: Sequence[float], lines: Mapping[str, Sequence[float]], x_label: str, y_label: str
) -> "Markup":
    """Lines over common x values."""
    with plot(title, 6.4, 3.4) as drawn:
        axes = drawn.figure.subplots()
        for ink, (name, values) in zip(_INKS, lines.items(), strict=False):
            axes.plot(x, values, color=ink, label=name, marker="o", markersize=3)
        axes.set(xlabel=x_label, ylabel=y_label)
        axes.set_xticks(list(x))
        axes.grid(True)
        axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return drawn.svg
