import numpy as np
import pytest

from visus.tasks.action.timeline import Timeline


def timeline(rows, multi_label=False, frames=4):
    timeline = Timeline(frames, 0.5, ("left", "right, or so"), multi_label)
    for i, row in enumerate(rows):
        timeline.add(i * 0.5, np.array(row, np.float32), i >= frames - 1)
    return timeline


def test_the_moments_of_a_change_follow_from_all_windows_that_contain_them():
    # The action changes at 4 s; windows of 2 s show it gradually.
    right = [min(1.0, max(0.0, (i - 7) / 4)) for i in range(16)]
    segments = timeline([(1 - score, score) for score in right]).segments()
    assert [part.label for part in segments] == ["left", "right, or so"]
    assert segments[0].start == 0 and segments[0].end == segments[1].start
    assert segments[0].end == pytest.approx(4, abs=0.5) and segments[1].end == 8


def test_a_single_deviating_window_makes_no_segment():
    rows = [(0.8, 0.2)] * 12
    rows[6] = (0.0, 1.0)
    assert len(timeline(rows).segments()) == 1


def test_several_labels_overlap_and_none_is_left_out():
    rows = [(0.9, 0.1)] * 8 + [(0.9, 0.9)] * 8 + [(0.1, 0.1)] * 8
    parts = timeline(rows, multi_label=True, frames=1).segments()
    assert [(p.start, p.end, p.label) for p in parts] == [
        (0, 8, "left"),
        (4, 8, "right, or so"),
    ]


def test_a_clip_as_a_whole_is_the_mean_of_complete_windows():
    whole = timeline([(0.0, 1.0)] * 3 + [(0.6, 0.4), (0.8, 0.2)]).whole()
    assert whole == pytest.approx([0.7, 0.3])
    assert timeline([(0.0, 1.0)] * 3).whole() is None
    assert timeline([]).segments() == []


def test_windows_after_a_gap_do_not_count_until_they_are_complete():
    line = timeline([(0.6, 0.4)] * 4)
    line.add(20.0, np.array((0.0, 1.0), np.float32), False)
    assert line.whole() == pytest.approx([0.6, 0.4])


def test_a_pause_belongs_to_no_segment_and_is_not_smoothed_over():
    line = timeline([(1.0, 0.0)] * 8)
    for i in range(8):
        scores = np.array((1.0, 0.0) if i < 4 else (0.0, 1.0), np.float32)
        line.add(20 + i * 0.5, scores, i >= 3)
    parts = [(part.start, part.end, part.label) for part in line.segments()]
    assert parts[0] == (0, 4, "left") and parts[1][:1] == (20,) and parts[2][1] == 24
    assert [part[2] for part in parts] == ["left", "left", "right, or so"]


def test_the_csv_ends_with_the_video():
    text = timeline([(0.3, 0.7)] * 5).to_csv(2.2)
    assert text == 'start,end,label,score\n0.000,2.200,"right, or so",0.7000\n'


def test_windows_that_are_not_complete_do_not_count():
    (segment,) = timeline([(0.0, 1.0)] * 3 + [(0.9, 0.1)] * 3).segments()
    assert segment.label == "left" and segment.start == 0
    assert segment.score == pytest.approx(0.9)
