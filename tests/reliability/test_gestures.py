"""A model of gestures, learnt from twenty clips of each, on recordings that it has not seen."""

import json
from pathlib import Path

from tests.reliability.counts import SOAK
from visus.datamodules.action.gestures import GESTURES, Recording
from visus.datamodules.action.samples import write_gestures
from visus.vision.videos.writer import write_video

RATE, SECONDS = 15, 2.0


def write_performance(path, seed):
    """Write a recording of all gestures with rests between them; returns (end, gesture) of each."""
    recording = Recording(seed)
    gestures = [gesture for gesture in GESTURES if gesture != "rest"]
    parts = [part for gesture in gestures for part in (gesture, "rest")]
    frames = (frame for part in parts for frame in recording.frames(part, SECONDS, RATE))
    write_video(path, frames, RATE)
    return [((2 * i + 1) * SECONDS, gesture) for i, gesture in enumerate(gestures)]


if SOAK:

    def test_a_gesture_is_named_within_a_second_of_its_end(visus):
        write_gestures(Path("gestures"))
        code, _, err = visus("fit", "--config", "action/custom", "--data", "gestures")
        assert code == 0, err
        code, _, err = visus("export", "latest", "--output", "gestures.onnx")
        assert code == 0, err
        named = []
        for seed in range(5):
            ends = write_performance(Path(f"{seed}.mp4"), 1000 + seed)
            code, _, err = visus("live", "gestures.onnx", f"{seed}.mp4", "--jsonl", "o.jsonl")
            assert code == 0, err
            entries = [json.loads(line) for line in Path("o.jsonl").read_text().splitlines()]
            for end, gesture in ends:
                labels = [
                    entry["classes"][0]["label"]
                    for entry in entries
                    if end - SECONDS / 2 <= entry["time"] <= end + 1
                ]
                named.append(gesture in labels)
        assert sum(named) >= 0.9 * len(named), f"{sum(named)} of {len(named)}"
