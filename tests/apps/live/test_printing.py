"""Long work shows a progress bar on a terminal, and ends with what was written and how fast."""

import os
import pty
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.apps.live.test_loop import write_video
from tests.conftest import PATIENCE
from visus.apps.live.loop import LoopResult
from visus.apps.live.printing import print_closing


def run_on_a_terminal(*arguments):
    """Run visus with a terminal as its standard error; returns both streams."""
    reader, writer = pty.openpty()
    command = [Path(sys.executable).with_name("visus"), *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=writer)
    os.close(writer)
    shown = []

    def read():
        try:
            while data := os.read(reader, 65536):
                shown.append(data)
        except OSError:
            # The terminal of a process that has ended.
            pass

    thread = threading.Thread(target=read)
    thread.start()
    out = process.communicate(timeout=PATIENCE)[0]
    thread.join()
    os.close(reader)
    assert process.returncode == 0, b"".join(shown)
    return out.decode(), b"".join(shown).decode()


def test_a_bar_is_drawn_on_a_terminal_and_lines_for_a_pipe_stay_there(workplace, photos, model):
    out, err = run_on_a_terminal("predict", model[0], str(photos / "circle"))
    assert out.count(".png: ") == 10 and "Predicting" not in out
    assert "Predicting" in err and "10/10" in err and ".png: " not in err
    assert "visus: predicted 10 images" in err


@pytest.mark.parametrize(
    ("arguments", "written"),
    [
        (["predict", "MODEL", "IMAGES", "--draw", "d"], ["d: 10 images, RATE images/s"]),
        (["predict", "MODEL", "IMAGES"], ["predicted 10 images, RATE images/s"]),
        (["predict", "MODEL", "IMAGES", "--jsonl", "-"], ["predicted 10 images, RATE images/s"]),
        (["predict", "MODEL", "a.avi", "--draw", "d", "--jsonl", "o.jsonl"],
         ["d/a.mp4: 20 frames, RATE frames/s", "o.jsonl: 20 lines, RATE frames/s"]),
        (["live", "MODEL", "a.avi", "--video", "v.webm"], ["v.webm: 20 frames, RATE frames/s"]),
    ],
)  # fmt: skip
def test_what_was_written_is_named_with_its_speed(visus, photos, model, arguments, written):
    write_video(Path("a.avi"))
    names = {"MODEL": model[0], "IMAGES": photos / "circle"}
    code, _, err = visus(*(names.get(word, word) for word in arguments))
    assert code == 0 and "Predicting" not in err
    for line in written:
        pattern = re.escape(line).replace("RATE", r"[\d.,]+")
        assert re.search(rf"^visus: (wrote )?{pattern}$", err, re.MULTILINE), err


def test_a_single_image_needs_no_closing_line(capsys):
    print_closing(LoopResult(1, [], 0.1, []), True)
    assert capsys.readouterr().err == ""
    print_closing(LoopResult(62, [], 2.0, ["v.mp4: 62 frames"]), False)
    assert capsys.readouterr().err == "visus: wrote v.mp4: 62 frames, 31 frames/s\n"
