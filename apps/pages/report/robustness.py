"""The section on robustness."""

import math

from visus.apps.pages.report.plots import lines_svg
from visus.apps.pages.report.quality import number
from visus.apps.pages.section import Section
from visus.apps.report.robustness import Robustness
from visus.vision.corruptions import SEVERITIES


def robustness_section(robustness: Robustness) -> Section:
    """The main metric under corruptions and attacks."""
    lines = {each.name: each.metrics for each in robustness.corruptions}
    plot = lines_svg("Corruptions", SEVERITIES, lines, "severity", robustness.main)
    rows = [
        (each.name, [number(value) for value in each.metrics], _percent(each.drop))
        for each in robustness.corruptions
    ]
    attacks = [
        {
            "attack": each.attack,
            "goal": each.goal,
            "strength": f"{each.epsilon:.0%} of the image"
            if each.attack == "patch"
            else f"{each.epsilon * 255:.0f} of 255",
            "metric": "" if each.metric is None else number(each.metric),
            "success": "" if each.success is None else f"{each.success:.0%}",
        }
        for each in robustness.attacks
    ]
    return Section(
        "robustness",
        "Robustness",
        {
            "robustness": robustness,
            "clean": number(robustness.clean),
            "mean_drop": _percent(robustness.mean_drop),
            "attacked_clean": number(robustness.attacked_clean),
            "severities": SEVERITIES,
            "plot": plot,
            "rows": rows,
            "attacks": attacks,
            "with_success": any(each["success"] for each in attacks),
        },
    )


def _percent(drop: float) -> str:
    """A relative loss as text; undefined where the metric is 0 without a corruption."""
    return f"{drop:+.1%}" if math.isfinite(drop) else "undefined"
