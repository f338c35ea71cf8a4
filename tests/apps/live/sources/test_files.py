import numpy as np
import pytest
from PIL import Image

from visus.apps.live.sources import open_source
from visus.vision.images import MemoryShortageError


def test_lossy_conversions_are_noted_once_for_each_file(visus, workplace, model):
    for name in ("a", "b"):
        Image.fromarray(np.linspace(0, 4000, 900).reshape(30, 30).astype("u2")).save(f"{name}.png")
    Image.new("RGB", (30, 30)).save("plain.png")
    (workplace / "list.csv").write_text("path\na.png\nplain.png\na.png\nb.png\n")
    code, out, err = visus("predict", model[0], "list.csv")
    assert code == 0 and len(out.splitlines()) == 4
    note = "16-bit grey with values up to 4000, read as 12 bits, reduced to 8 bits"
    notes = [line for line in err.splitlines() if note in line]
    assert [f"{name}.png: {note}" in line for name, line in zip("ab", notes, strict=True)] == [
        True
    ] * 2


def test_a_lack_of_memory_stops_a_source(workplace, monkeypatch):
    Image.new("RGB", (30, 30)).save("a.png")
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load_prepare", lambda self: bytearray(2**62))
    source = open_source(str(workplace))
    with pytest.raises(MemoryShortageError, match="not enough memory"):
        next(source.frames())
    assert not source.problems
