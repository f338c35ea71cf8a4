import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

from tests.conftest import save_scene
from visus.datamodules.core import images
from visus.datamodules.core.images import inspect_images

CHECK = """
import sys, time
from pathlib import Path
from visus.datamodules.core.images import inspect_images
now = time.time_ns
time.time_ns = lambda: now() + 10**11
print(sum(check.info is not None for check in inspect_images(sorted(Path().glob("*.png")))))
"""


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache folder; files that are written now count as written long ago."""
    now = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: now() + 10**11)
    monkeypatch.setenv("VISUS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def opened(monkeypatch):
    """Names of the files that were decoded."""
    names = []
    inspect = images.inspect_image

    def decode(path):
        names.append(os.path.basename(path))
        return inspect(path)

    monkeypatch.setattr(images, "inspect_image", decode)
    return names


@pytest.fixture
def photos(tmp_path):
    """Images with and without notes and an orientation, and one that is damaged."""
    folder = tmp_path / "photos"
    paths = [save_scene(folder / f"{i}.png", i, size=(40 + i, 50)) for i in range(4)]
    exif = Image.Exif()
    exif[0x0112] = 6
    with Image.open(paths[0]) as image:
        image.convert("CMYK").save(folder / "4.jpg", exif=exif)
        image.save(folder / os.fsdecode(b"5\xff.png"))
    (folder / "6.png").write_bytes(paths[0].read_bytes()[:100])
    return sorted(folder.iterdir())


def test_a_second_check_decodes_what_is_damaged_alone(cache, photos, opened):
    first = list(inspect_images(photos))
    assert len(opened) == len(photos) == 7
    assert first[4].info.orientation == 6 and "CMYK" in first[4].info.notes[0]
    opened.clear()
    assert list(inspect_images(photos)) == first
    assert opened == ["6.png"]
    # Entries belong to a folder and its files, whatever is checked and from where.
    assert list(inspect_images(photos[2:4])) == first[2:4]
    assert list(inspect_images([])) == []


def test_relative_paths_find_the_results_of_absolute_ones(cache, photos, opened, monkeypatch):
    good = photos[:4]
    first = list(inspect_images(good))
    opened.clear()
    monkeypatch.chdir(good[0].parent)
    assert list(inspect_images([path.name for path in good])) == first
    assert opened == []


def test_what_was_changed_is_decoded_again(cache, photos, opened):
    good = photos[:4]
    before = list(inspect_images(good))
    time.sleep(0.02)
    good[0].write_bytes(good[1].read_bytes())
    good[1].write_bytes(good[1].read_bytes()[:100])
    # Another file of the same size, with the time of the earlier one.
    status = good[2].stat()
    good[2].write_bytes(b"\0" * status.st_size)
    os.utime(good[2], ns=(status.st_atime_ns, status.st_mtime_ns))
    good[3].unlink()
    opened.clear()
    after = list(inspect_images(good))
    assert sorted(opened) == ["0.png", "1.png", "2.png"]
    assert after[0].content == before[1].content and after[0].info == before[1].info
    assert all(check.info is None and check.error for check in after[1:])


def test_a_file_that_was_just_changed_is_decoded_again(cache, photos, opened, monkeypatch):
    monkeypatch.setattr(time, "time_ns", lambda: max(p.stat().st_ctime_ns for p in photos) + 10**9)
    for _ in range(2):
        opened.clear()
        list(inspect_images(photos))
        assert len(opened) == 7
    assert not list(cache.rglob("*.sqlite"))


def test_results_of_other_checks_are_not_used(cache, photos, opened, monkeypatch):
    list(inspect_images(photos))
    monkeypatch.setattr(images, "_version", lambda: "of other code")
    opened.clear()
    list(inspect_images(photos))
    assert len(opened) == 7


def test_a_damaged_index_is_replaced(cache, photos, opened):
    first = list(inspect_images(photos))
    (index,) = cache.rglob("*.sqlite")
    whole = index.read_bytes()
    chance = random.Random(0)
    for damage in range(40):
        content = bytearray(whole)
        if damage % 4 == 0:
            content[chance.randrange(100) :] = b""
        elif damage % 4 == 1:
            content = bytearray(chance.randbytes(len(whole)))
        else:
            for _ in range(damage):
                content[chance.randrange(len(whole))] ^= 1 << chance.randrange(8)
        index.write_bytes(content)
        assert list(inspect_images(photos)) == first
        opened.clear()
        assert list(inspect_images(photos)) == first
        # The order of entries may be damaged, so that one is not found again.
        assert len(opened) == 1 if damage % 4 < 2 else len(opened) < 7


def test_the_index_is_private(cache, photos):
    list(inspect_images(photos))
    (index,) = cache.rglob("*.sqlite")
    assert index.stat().st_mode & 0o777 == 0o600
    assert index.parent.stat().st_mode & 0o777 == 0o700


def test_without_a_place_for_the_index_a_warning_is_printed_once(photos, monkeypatch, capsys):
    now = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: now() + 10**11)
    monkeypatch.setenv("VISUS_CACHE", str(photos[0] / "cache"))
    for _ in range(2):
        assert sum(check.info is not None for check in inspect_images(photos)) == 6
    err = capsys.readouterr().err
    assert err.count("warning: ") == 1 and "set VISUS_CACHE" in err


def test_two_processes_write_at_the_same_time(cache, tmp_path, opened):
    folder = tmp_path / "many"
    paths = [save_scene(folder / f"{i}.png", i, size=(40, 40)) for i in range(600)]
    command = [sys.executable, "-c", CHECK]
    running = [
        subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    assert [int(process.communicate()[0]) for process in running] == [600, 600]
    list(inspect_images(paths))
    assert opened == []


def test_the_command_finds_the_results(cache, visus, tmp_path, opened):
    for i in range(6):
        save_scene(tmp_path / "set" / "ab"[i % 2] / f"{i}.png", i)
    assert visus("data", "check", "set")[0] == 0
    assert len(opened) == 6
    (tmp_path / "set" / "a" / "0.png").write_bytes(b"no image")
    opened.clear()
    code, out, _ = visus("data", "check", Path("set"))
    assert code == 2 and "error: set/a/0.png" in out
    assert opened == ["0.png"]


def test_an_index_that_may_not_be_opened_is_a_warning(photos, cache, monkeypatch, capsys):
    exists = Path.exists

    def refused(self, **options):
        if self.suffix == ".sqlite":
            raise PermissionError(13, "Permission denied", str(self))
        return exists(self, **options)

    monkeypatch.setattr(Path, "exists", refused)
    assert sum(check.info is not None for check in inspect_images(photos)) == 6
    assert "warning: " in capsys.readouterr().err
