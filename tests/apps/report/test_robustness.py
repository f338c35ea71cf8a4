"""Undefined metrics: null in the numbers, a word on the page."""

import json
import math

from visus.apps.pages.report.robustness import robustness_section
from visus.apps.report.robustness import AttackResult, CorruptionResult, Robustness

NAN = math.nan


def test_undefined_metrics_are_null_and_named():
    attacks = [AttackResult("PGD", "vanishing objects", 0.01, NAN, None)]
    attacks += [AttackResult("PGD", "another person", 0.01, None, 0.5)]
    corruptions = [CorruptionResult("fog", (0.0, 0.0, NAN, 0.0, 0.0), NAN)]
    found = Robustness("map", 0.0, 4, corruptions, NAN, 4, NAN, attacks, "")
    numbers = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert numbers["mean_relative_drop"] is None and numbers["attacked_clean"] is None
    assert [each["metric"] for each in numbers["attacks"]] == [None, None]
    assert numbers["corruptions"]["fog"]["metrics"][2] is None
    values = robustness_section(found).values
    assert values["mean_drop"] == "undefined" and values["rows"][0][2] == "undefined"
    assert values["attacks"][0]["metric"] == "undefined"
    assert values["attacks"][1]["success"] == "50%"
