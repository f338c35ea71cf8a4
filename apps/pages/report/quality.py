"""The section on quality."""

import math
from typing import Any

import numpy as np
from PIL import Image

from visus.apps.pages.figures import data_uri
from visus.apps.pages.report.plots import calibration_svg, confusion_svg, curves_svg
from visus.apps.pages.section import Section
from visus.apps.report.quality import MetricEstimate, Quality
from visus.apps.report.subject import Subject
from visus.apps.training.curves import CURVES_FILE
from visus.tasks.assessment import Confusion

_MAX_METRICS = 16
"""Metrics that are shown; all are in the JSON file."""


def quality_section(subject: Subject, quality: Quality) -> Section:
    """Metrics with intervals, classes, plots, calibration, training curves, data."""
    change = quality.calibration
    return Section(
        "quality",
        "Quality",
        {
            "quality": quality,
            "split": subject.split_name,
            "metrics": [_row(each) for each in quality.metrics[:_MAX_METRICS]],
            "more": max(0, len(quality.metrics) - _MAX_METRICS),
            "rows": _class_rows(quality),
            "can_calibrate": "temperature" in subject.task.hparams,
            "absent": _absent(quality),
            "plots": _plots(quality),
            "calibration": change and calibration_svg(change.before, change.after),
            "curves": _training_curves(subject),
        },
    )


def number(value: float) -> str:
    """A metric as text, with four decimals."""
    return f"{value:.4f}" if math.isfinite(value) else "undefined"


def _row(metric: MetricEstimate) -> dict[str, str]:
    interval = metric.interval
    shown = "" if interval is None else f"{number(interval[0])} to {number(interval[1])}"
    return {"name": metric.name, "value": number(metric.value), "interval": shown}


def _class_rows(quality: Quality) -> list[tuple[str, list[str]]]:
    table = quality.table
    if table is None:
        return []
    rows = [(name, [number(value) for value in values]) for name, values in table.rows]
    if table.counts:
        for (_, texts), (_, values) in zip(rows, table.rows, strict=True):
            texts[-1] = f"{values[-1]:,.0f}"
    return rows


def _absent(quality: Quality) -> list[str]:
    """The classes that do not occur in the samples; the last column counts them."""
    rows = [] if quality.table is None else quality.table.rows
    return [name for name, values in rows if values[-1] == 0]


def _plots(quality: Quality) -> list[tuple[str, Any]]:
    drawn = [
        ("Confusion matrix", confusion_svg(each))
        if isinstance(each, Confusion)
        else (each.title, curves_svg(each))
        for each in quality.plots
    ]
    return [(title, svg) for title, svg in drawn if svg is not None]


def _training_curves(subject: Subject) -> str:
    """The curves of the run as a data address; empty where there are none."""
    checkpoint = subject.evaluation.checkpoint
    if checkpoint is None or not (checkpoint.parent / CURVES_FILE).is_file():
        return ""
    path = checkpoint.parent / CURVES_FILE
    with Image.open(path) as image:
        image.thumbnail((1100, 1100))
        return data_uri(np.asarray(image.convert("RGB")))
