"""The file of cameras: names, sources, options of each, errors with file and line."""

from pathlib import Path

import pytest

from tests.apps.live.test_loop import lines, write_video
from visus.apps.live.camera_files import name_cameras, read_cameras
from visus.apps.parsing import CommandError


def test_cameras_are_named_after_their_sources():
    sources = ["0", "rtsp://user:secret@10.0.0.7:554/live?x=1", "videos/clip 1.mp4", "clip 1.mkv"]
    names = [entry.name for entry in name_cameras([*sources, "http://10.0.0.7/b"])]
    assert names == ["camera0", "10.0.0.7", "clip-1", "clip-1-2", "10.0.0.7-2"]


def test_a_file_names_cameras_with_their_own_options(visus, workplace, model):
    for name in ("a", "b"):
        write_video(workplace / f"{name}.avi", 8)
    Path("cameras.yaml").write_text(
        "door:\n  source: a.avi\n  on:\n  - any > 0 for 100ms\n  - circle < 0.99\n"
        "yard:\n  source: b.avi\n"
    )
    code, _, err = visus(
        *("live", model[0], "--cameras", "cameras.yaml", "--jsonl", "o.jsonl", "--save", "events"),
    )
    assert code == 0, err
    assert {entry["source"] for entry in lines(workplace / "o.jsonl")} == {"door", "yard"}
    names = {path.name.split("-")[0] for path in Path("events").iterdir()}
    assert names == {"door"} and len(list(Path("events").glob("*.mp4"))) == 2


def test_switches_lists_and_values_become_words(workplace):
    Path("c.yaml").write_text(
        "door:\n  source: 0\n  threshold: 0.4\n  track: yes\n  embeddings: false\n"
        "  line: ['1,2,3,4', 'b=1,2,3,4']\n"
    )
    (entry,) = read_cameras(Path("c.yaml"))
    assert (entry.name, entry.source) == ("door", "0")
    assert [(o.place, o.words) for o in entry.options] == [
        ("c.yaml:3", ["--threshold=0.4"]),
        ("c.yaml:4", ["--track"]),
        ("c.yaml:5", []),
        ("c.yaml:6", ["--line=1,2,3,4", "--line=b=1,2,3,4"]),
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "c.yaml: is empty; a file of cameras names each camera"),
        ("{}", "c.yaml: is empty"),
        ("- a", "c.yaml: is not a mapping; a file of cameras names each"),
        ("a: [", "c.yaml:1: is not YAML"),
        ("door: 0", "c.yaml:1: camera 'door' has no source: below its name"),
        ("a:\n  track: true", "c.yaml:1: camera 'a' has no source: below its name"),
        ("a:\n  source: [1]", "c.yaml:2: source is a camera's number"),
        ("a/b:\n  source: 0", "c.yaml:1: the name 'a/b' is part of file names"),
        ("a:\n  source: 0\nA:\n  source: 1", "c.yaml:3: 'A' and 'a' differ in case alone"),
        ("a:\n  source: 0\na:\n  source: 1", "c.yaml:3: the key 'a' is there already, in line 1"),
        ("a:\n  source: 0\n  on: {x: 1}", "c.yaml:3: on is a value or a list of values"),
        ("a:\n  source: !!python/name:os.system 0", "the tag !!python/name:os.system is not"),
    ],
)
def test_files_with_errors_are_refused(workplace, text, words):
    Path("c.yaml").write_text(text)
    with pytest.raises(CommandError) as held:
        read_cameras(Path("c.yaml"))
    assert words in str(held.value)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("treshold: 0.5", "c.yaml:3: unknown option --treshold; did you mean --threshold?"),
        ("video: o.mp4", "c.yaml:3: unknown option --video"),
        ("threshold: high", "c.yaml:3: argument --threshold: invalid float value: 'high'"),
        ("on: any", "c.yaml:3: argument --on: 'any' is not a condition"),
        ("threshold: 0.5", "--threshold belongs to"),
        ("on: cirle > 0.5", "has no label 'cirle'; did you mean circle?"),
    ],
)
def test_options_with_errors_are_refused(visus, workplace, model, options, words):
    write_video(workplace / "a.avi", 2)
    Path("c.yaml").write_text(f"door:\n  source: a.avi\n  {options}\n")
    code, _, err = visus(
        "live", model[0], "--cameras", "c.yaml", "--jsonl", "-", "--save", "events"
    )
    if "--on needs" in err or "needs --on" in err:
        code, _, err = visus("live", model[0], "--cameras", "c.yaml", "--jsonl", "-")
    assert code == 2 and words in err, err
    assert len(err.strip().splitlines()) == 1
