"""Images that are damaged, hostile or too large: refused by name, within bounds."""

import io
import os
import random
import socket
import struct
import subprocess
import sys
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFile
from torch.utils.data import DataLoader, Dataset

from tests.conftest import save_captions, save_detection, save_masked, save_people
from tests.reliability.counts import count
from visus.vision.images import ImageError, inspect_image, read_image

SIDE = 13_000
MEGABYTES_200 = 200 * 2**20


def encoded(image: Image.Image, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def altered(data: bytes, position: int, layout: str) -> bytes:
    """The data with a size of 13,000 x 13,000 at a position."""
    new = struct.pack(layout, SIDE, SIDE)
    return data[:position] + new + data[position + len(new) :]


def many_directories(directories: int) -> bytes:
    one = encoded(Image.new("L", (8, 8)), "TIFF")
    (start,) = struct.unpack("<I", one[4:8])
    directory = one[start : start + 2 + 12 * struct.unpack("<H", one[start : start + 2])[0]]
    data = bytearray(one[:start])
    for _ in range(directories):
        data += directory + struct.pack("<I", len(data) + len(directory) + 4)
    return bytes(data[:-4]) + bytes(4)


def many_strips(strips: int) -> bytes:
    entries = [(256, 1, 16), (257, 1, strips), (258, 1, 8), (259, 1, 1), (262, 1, 1), (278, 1, 1)]
    end = 8 + 2 + 12 * (len(entries) + 2) + 4
    entries += [(273, strips, end), (279, strips, end + 4 * strips)]
    data = b"II*\0" + struct.pack("<IH", 8, len(entries))
    data += b"".join(struct.pack("<HHII", tag, 4, n, value) for tag, n, value in sorted(entries))
    return data + bytes(4) + struct.pack("<I", 8) * strips + struct.pack("<I", 16) * strips


def bombs() -> dict[str, bytes]:
    """Small files that take far more memory or time than an image of their size."""
    red = Image.new("RGB", (64, 64), "red")
    jpeg, progressive = encoded(red, "JPEG"), encoded(red, "JPEG", progressive=True)
    comments = (b"\xff\xfe\xff\xff" + bytes(65533)) * 8
    header = struct.pack(">IIBBBBB", SIDE, SIDE, 8, 2, 0, 0, 0)
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(999)))
    scan = progressive[progressive.rindex(b"\xff\xda") : -2]
    return {
        "small.jpg": altered(jpeg, jpeg.index(b"\xff\xc0") + 5, ">HH"),
        "progressive.jpg": altered(progressive, progressive.index(b"\xff\xc2") + 5, ">HH"),
        "comments.jpg": altered(jpeg, jpeg.index(b"\xff\xc0") + 5, ">HH")[:2]
        + comments
        + altered(jpeg, jpeg.index(b"\xff\xc0") + 5, ">HH")[2:],
        "scans.jpg": progressive[:-2] + scan * 5000 + b"\xff\xd9",
        "segments.jpg": jpeg[:2] + b"\xff\xfe\x00\x02" * 100_000 + jpeg[2:],
        "small.png": png + chunk(b"IEND", b""),
        "small.gif": altered(encoded(red, "GIF"), 6, "<HH"),
        "small.bmp": altered(encoded(red, "BMP"), 18, "<ii"),
        "small.ppm": b"P6 13000 13000 255\n" + bytes(99),
        # Valid: lossless WebP needs no bit for a pixel of the only colour.
        "one colour.webp": one_colour_webp(),
        "strips.tif": many_strips(2**18 + 1),
        "header.npy": array_header((SIDE, SIDE, 3)),
        "long header.npy": b"\x93NUMPY\x02\x00\xff\xff\xff\xff" + bytes(99),
    }


def one_colour_webp() -> bytes:
    """A lossless WebP of 13,000 x 13,000 pixels, whose codes have one symbol each."""
    small = encoded(Image.new("RGB", (64, 64)), "WEBP", lossless=True)
    (bits,) = struct.unpack("<I", small[21:25])
    sides = (bits & ~(2**28 - 1)) | (SIDE - 1) | (SIDE - 1) << 14
    return small[:21] + struct.pack("<I", sides) + small[25:]


def array_header(shape) -> bytes:
    buffer = io.BytesIO()
    header = {"descr": "|u1", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(buffer, header)
    return buffer.getvalue()


def memory(what: str) -> int:
    """`VmRSS` or its maximum, `VmHWM`, of this process in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(what))


def peak_growth(function) -> int:
    """By how many bytes the memory of this process grows at most during a call."""
    Path("/proc/self/clear_refs").write_text("5")
    before = memory("VmRSS")
    function()
    return memory("VmHWM") - before


def write_bombs(folder: Path, number: int) -> list[Path]:
    folder.mkdir(parents=True)
    kinds = [*bombs().items()]
    paths = [folder / f"{i:03d} {kinds[i % len(kinds)][0]}" for i in range(number)]
    for i, path in enumerate(paths):
        path.write_bytes(kinds[i % len(kinds)][1] + bytes([i // 256, i % 256]))
    return paths


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="Linux measures the peak")
def test_bombs_cost_the_check_of_a_data_set_little_memory(visus):
    images = [path for path in write_bombs(Path("data/a"), count(60, 500)) if path.suffix != ".npy"]
    Path("data/b").mkdir()
    Image.new("RGB", (8, 8), "red").save("data/b/good.png")
    visus("data", "check", "data/b", "--task", "classification")
    start = time.process_time()
    results = []
    growth = peak_growth(
        lambda: results.append(visus("data", "check", "data", "--task", "classification"))
    )
    code, out, _ = results[0]
    assert code == 2
    assert len(images) >= 50
    out += Path("visus-problems.txt").read_text()
    assert all(f"error: {path}: " in out for path in images)
    assert growth < MEGABYTES_200
    assert time.process_time() - start < 60


class Bombs(Dataset):
    """Reads images in a worker process, and returns the growth of its memory."""

    def __init__(self, paths: list[Path]) -> None:
        self.paths = paths

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> int:
        def read() -> None:
            with pytest.raises(ImageError):
                read_image(self.paths[index])

        return peak_growth(read)


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="Linux measures the peak")
def test_bombs_cost_workers_of_a_loader_little_memory(workplace):
    paths = write_bombs(Path("bombs"), count(50, 500))
    growths = list(DataLoader(Bombs(paths), batch_size=None, num_workers=2))
    assert len(growths) == len(paths)
    assert max(growths) < MEGABYTES_200


@pytest.mark.parametrize("directories", [20_000])
def test_directories_of_a_tiff_are_not_followed(directories):
    start = time.process_time()
    assert inspect_image(many_directories(directories)).notes == (
        "several pages, only the first is used",
    )
    assert time.process_time() - start < 5


def test_the_time_of_a_file_is_bounded(monkeypatch):
    monkeypatch.setattr("visus.vision.decoding.data._MAX_SECONDS", 0.2)
    small = encoded(Image.new("L", (8, 8)), "PNG")
    chunks = small[:33] + chunk(b"teSt", b"") * 300_000 + small[33:]
    with pytest.raises(ImageError, match=r"takes over 0\.2 s"):
        read_image(chunks)


def test_what_is_no_regular_file_is_refused_at_once(visus):
    folder = Path("data/a")
    (folder / "folder.jpg").mkdir(parents=True)
    os.mkfifo(folder / "pipe.jpg")
    special = [folder / "folder.jpg", folder / "pipe.jpg"]
    for i, device in enumerate(("/dev/urandom", "/dev/zero", "/dev/null", "/dev/tty")):
        special.append(folder / f"device{i}.jpg")
        special[-1].symlink_to(device)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("s")
        special.append(Path("s"))
        for path in special:
            for read in (read_image, inspect_image):
                with pytest.raises(ImageError, match="not an image file"):
                    read(path)
    for name in ("sparse.jpg", "sparse.webp", "sparse.npy", "sparse.png"):
        with open(folder / name, "wb") as file:
            file.write({"sparse.jpg": b"\xff\xd8\xff", "sparse.webp": b"RIFF"}.get(name, b""))
            file.truncate(2**33 if name != "sparse.webp" else 2**30)
        with pytest.raises(ImageError, match=name):
            read_image(folder / name)
    rows = "".join(f"{path.relative_to('data')},a\n" for path in special if path != Path("s"))
    Path("data/labels.csv").write_text(f"path,label\n{rows}")
    code, out, _ = visus("data", "check", "data", "--task", "classification")
    assert code == 2
    assert all(path.name in out for path in special if path != Path("s")), out


def photograph(rng: random.Random) -> Image.Image:
    numbers = np.random.default_rng(rng.randrange(2**32))
    height, width = rng.randint(40, 300), rng.randint(40, 300)
    blocks = np.kron(numbers.integers(0, 256, (20, 20, 3)), np.ones((16, 16, 1)))[:height, :width]
    return Image.fromarray((blocks + numbers.normal(0, 12, blocks.shape)).clip(0, 255).astype("u1"))


def test_no_cut_jpeg_passes_and_every_intact_one_does():
    rng = random.Random(0)
    for _ in range(count(100, 5000)):
        options = {"quality": rng.choice([30, 75, 90, 95]), "progressive": rng.random() < 0.5}
        options |= rng.choice([{}, {"restart_marker_blocks": 5}, {"restart_marker_rows": 1}])
        image = photograph(rng).convert(rng.choice(["RGB", "RGB", "L", "CMYK"]))
        if image.mode == "RGB":
            options |= rng.choice([{}, {"subsampling": 0}, {"subsampling": 1}])
        data = encoded(image, "JPEG", **options)
        first = data.index(b"\xff\xda")
        trailing = rng.choice([b"", b"\0" * 9, b"\xff\xd8\xff" + rng.randbytes(99)])
        expected = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
        assert (read_image(data + trailing) == expected).all()
        # The last bytes may hold less than a block.
        cut = rng.randint(first, first + int((len(data) - first) * 0.98) - 16)
        with pytest.raises(ImageError):
            read_image(data[:cut] + b"\xff\xd9" + trailing)


@pytest.mark.parametrize(
    ("task", "write"),
    [
        ("classification", None),
        ("detection", lambda: save_detection(Path("data"), "yolo", count=6)),
        ("segmentation", lambda: save_masked(Path("data"), "folders", count=6)),
        ("captioning", lambda: save_captions(Path("data"), 6)),
        ("face_recognition", lambda: save_people(Path("data"), 3, 2)),
    ],
)
@pytest.mark.parametrize("error", [MemoryError(), OSError("out of memory when reading image file")])
def test_a_lack_of_memory_never_drops_an_image(visus, monkeypatch, task, write, error):
    if write is None:
        for i in range(6):
            path = Path(f"data/{'ab'[i % 2]}/{i}.png")
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (32, 32), (i, 0, 0)).save(path)
    else:
        write()
    calls = iter(range(10**6))

    def shortage(self: ImageFile.ImageFile, load_prepare=ImageFile.ImageFile.load_prepare) -> None:
        if next(calls) == 3:
            raise error
        load_prepare(self)

    def refuse(size: int) -> None:
        raise MemoryError

    monkeypatch.setattr(ImageFile.ImageFile, "load_prepare", shortage)
    monkeypatch.setattr("visus.vision.images.bytearray", refuse, raising=False)
    code, out, err = visus("data", "check", "data", "--task", task)
    assert code == 2
    assert "not enough memory to decode it" in err and "--data.num_workers" in err
    assert "error: " not in out


LARGE = """
import io, sys
from concurrent.futures import ThreadPoolExecutor
import numpy as np
from PIL import Image
from visus.vision.decoding.budget import DECODING
from visus.vision.images import inspect_image

side = int(sys.argv[1])
numbers = np.random.default_rng(0).integers(0, 256, (side // 8, side // 8, 3), dtype=np.uint8)
buffer = io.BytesIO()
Image.fromarray(numbers).resize((side, side)).save(buffer, "JPEG")
DECODING.size = side * side * 6
with ThreadPoolExecutor(8) as pool:
    assert len(list(pool.map(inspect_image, [buffer.getvalue()] * 16))) == 16
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux measures the peak")
def test_large_photographs_wait_for_each_other():
    side = count(3000, 10_000)
    command = [sys.executable, "-P", "-c", LARGE, str(side)]
    # The C library as it is by default, which returns freed memory to the system.
    plain = {name: value for name, value in os.environ.items() if name != "GLIBC_TUNABLES"}
    done = subprocess.run(command, capture_output=True, check=True, env=plain)
    peak = int(done.stdout) * 1024
    # To encode it took one image already; the C library keeps some freed memory for each thread.
    assert peak < 2 * 4 * side * side + 150 * 2**20
