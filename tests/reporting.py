"""Checks of the report that hold for every task."""

import json
import re
from pathlib import Path

SECTIONS = ("quality", "errors", "explanations", "robustness")


def shorten(monkeypatch):
    """Fewer samples, windows and steps than a user's report has."""
    from visus.apps.report import explanations, intervals, robustness
    from visus.vision import occlusion

    for module, values in (
        (explanations, {"_SHOWN": 2, "_DELETED": 2, "_DRAWS": 1}),
        (intervals, {"_RESAMPLES": 5, "_FEWEST_FOR_INTERVAL": 5}),
        (robustness, {"_CORRUPTED": 4, "_ATTACKED": 4, "_STEPS": 2, "_PATCH_STEPS": 2}),
        (occlusion, {"_WINDOWS": 2}),
    ):
        for name, value in values.items():
            monkeypatch.setattr(module, name, value)


def check_report(visus, run, *arguments, sections=SECTIONS):
    """Write a report on a run; returns its numbers and its page."""
    chosen = ("--sections", ",".join(sections), "--output", "report.html")
    code, out, err = visus("report", run, *chosen, *arguments)
    assert code == 0, err
    assert "report.html: " in out and "report.json: all numbers" in out
    page = Path("report.html").read_text(encoding="utf-8")
    assert re.findall(r'<section id="(\w+)">', page) == list(sections)
    # One document: nothing is loaded from elsewhere.
    assert not re.search(r'(?:src|href)="(?!data:|#)', page) and len(page) < 5e6
    numbers = json.loads(Path("report.json").read_text())
    assert set(sections) <= set(numbers)
    return numbers, page
