import gzip
import pickle
import tarfile

import numpy as np
import pytest

from visus.datamodules.classification.arrays import CIFAR10Data, DigitsData, FashionMNISTData
from visus.vision.errors import VisusError


def write_fashion(root, count=60):
    rng = np.random.default_rng(0)
    root.mkdir(exist_ok=True)
    for name, size in (("train", count), ("t10k", count // 3)):
        images = rng.integers(0, 256, (size, 28, 28)).astype(np.uint8)
        labels = (np.arange(size) % 10).astype(np.uint8)
        for kind, values in (("images-idx3", images), ("labels-idx1", labels)):
            header = bytes([0, 0, 8, values.ndim])
            header += np.array(values.shape, ">i4").tobytes()
            path = root / f"{name}-{kind}-ubyte.gz"
            path.write_bytes(gzip.compress(header + values.tobytes()))
    return root


def write_cifar(root, count=20):
    rng = np.random.default_rng(0)
    folder = root / "cifar-10-batches-py"
    folder.mkdir(parents=True, exist_ok=True)
    for name in (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"):
        batch = {
            b"data": rng.integers(0, 256, (count, 3072)).astype(np.uint8),
            b"labels": [i % 10 for i in range(count)],
        }
        (folder / name).write_bytes(pickle.dumps(batch, protocol=4))
    return root


def test_fashion_mnist_is_read_and_split(tmp_path):
    data = FashionMNISTData(str(write_fashion(tmp_path / "f")), val_share=0.1)
    sizes = {name: len(labels) for name, (_, labels) in data.splits.items()}
    assert sizes == {"train": 54, "val": 6, "test": 20}
    batch = next(iter(data.test_dataloader()))
    assert batch["image"].shape == (20, 1, 28, 28)


def test_cifar10_is_read_in_colour(tmp_path):
    data = CIFAR10Data(str(write_cifar(tmp_path)), val_share=0.1)
    images, _ = data.splits["train"]
    assert images.shape == (90, 32, 32, 3)


class _Bomb:
    def __reduce__(self):
        import pathlib

        return pathlib.Path.touch, (pathlib.Path("exploded"),)


def test_a_cifar_file_with_code_is_refused_and_runs_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_cifar(tmp_path)
    bad = tmp_path / "cifar-10-batches-py" / "data_batch_3"
    bad.write_bytes(pickle.dumps({b"data": _Bomb(), b"labels": []}))
    with pytest.raises(VisusError, match="data_batch_3"):
        _ = CIFAR10Data(str(tmp_path)).splits
    assert not (tmp_path / "exploded").exists()


def member(name, kind=tarfile.REGTYPE, target=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


@pytest.mark.parametrize(
    "bad",
    [
        member("out", tarfile.SYMTYPE, "../../etc"),
        member("in", tarfile.SYMTYPE, "good.txt"),
        member("hard", tarfile.LNKTYPE, "good.txt"),
        member("device", tarfile.CHRTYPE),
        member("pipe", tarfile.FIFOTYPE),
        member("/absolute.txt"),
        member("../above.txt"),
        member("a/../../above.txt"),
    ],
    ids=lambda info: info.name,
)
def test_links_devices_and_outer_paths_of_archives_are_refused(tmp_path, monkeypatch, bad):
    import torchvision.datasets
    from torchvision.datasets.utils import extract_archive

    if bad.name.startswith("/"):
        bad = member(f"{tmp_path}{bad.name}")
    archive = tmp_path / "set.tar"
    with tarfile.open(archive, "w") as tar:
        tar.addfile(member("good.txt"))
        tar.addfile(bad)
    home = tmp_path / "home"

    def unpack(root, download):
        extract_archive(str(archive), root)

    monkeypatch.setattr(torchvision.datasets, "CIFAR10", unpack)
    with pytest.raises(VisusError, match="its archive holds"):
        CIFAR10Data(str(home)).splits  # noqa: B018
    assert [path.name for path in home.rglob("*")] == ["good.txt"]
    assert {path.name for path in tmp_path.iterdir()} == {"set.tar", "home"}
    # Other archives are unpacked as before.
    assert "extraction_filter" in vars(tarfile.TarFile) and not tarfile.TarFile.extraction_filter


@pytest.mark.parametrize("damage", ["cut", "overwritten"])
def test_damaged_archives_are_named(tmp_path, damage):
    root = write_fashion(tmp_path / "f")
    path = root / "train-images-idx3-ubyte.gz"
    data = path.read_bytes()
    path.write_bytes(data[:100] if damage == "cut" else data[:40] + b"\xff" * 60 + data[100:])
    with pytest.raises(VisusError, match="train-images"):
        _ = FashionMNISTData(str(root)).splits


def test_a_quarter_of_the_digits_is_held_out():
    data = DigitsData()
    sizes = {name: len(labels) for name, (_, labels) in data.splits.items()}
    assert sum(sizes.values()) == 1797
    assert abs(sizes["test"] - 1797 / 4) < 5
    train = {image.tobytes() for image in data.splits["train"][0]}
    assert not any(image.tobytes() in train for image in data.splits["test"][0])
