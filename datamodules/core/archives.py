"""Read the files of Fashion-MNIST and CIFAR-10, and download them if they are missing."""

import gzip
import pickle
import tarfile
import zlib
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from visus.vision.errors import VisusError

Arrays = tuple[NDArray[np.uint8], NDArray[np.int64]]
"""Images (count, height, width, channels) and their class ids (count,)."""


def fashion_mnist(root: Path) -> dict[str, Arrays]:
    """Training and test images of Fashion-MNIST (Xiao et al. 2017), 28x28 grey.

    Args:
        root: The folder with the four `.gz` files, or one to download them into.

    Raises:
        VisusError: If the files are missing and cannot be downloaded, or are damaged.
    """
    folder = root
    if not (folder / "train-images-idx3-ubyte.gz").is_file():
        folder = root / "FashionMNIST" / "raw"
    if not (folder / "train-images-idx3-ubyte.gz").is_file():
        download("FashionMNIST", root)
    parts = {}
    for split, name in (("train", "train"), ("test", "t10k")):
        images = _read_idx(folder / f"{name}-images-idx3-ubyte.gz")
        labels = _read_idx(folder / f"{name}-labels-idx1-ubyte.gz")
        parts[split] = (images[..., None], labels.astype(np.int64))
    return parts


def cifar10(root: Path) -> dict[str, Arrays]:
    """Training and test images of CIFAR-10 (Krizhevsky 2009), 32x32 RGB.

    Args:
        root: The folder that holds `cifar-10-batches-py`, or one to download it into.

    Raises:
        VisusError: If the files are missing and cannot be downloaded, or are damaged.
    """
    folder = root / "cifar-10-batches-py"
    if not (folder / "data_batch_1").is_file():
        download("CIFAR10", root)
    batches = [_read_cifar(folder / f"data_batch_{i}") for i in range(1, 6)]
    train = (np.concatenate([b[0] for b in batches]), np.concatenate([b[1] for b in batches]))
    return {"train": train, "test": _read_cifar(folder / "test_batch")}


def download(name: str, root: Path) -> None:
    """Download one of torchvision's data sets.

    Args:
        name: Name of its class in `torchvision.datasets`.
        root: The folder to download into.

    Raises:
        VisusError: If the download fails, or its archive holds links or paths outside of `root`.
    """
    import torchvision.datasets

    previous = vars(tarfile.TarFile)["extraction_filter"]
    # The documented way to choose the filter of archives that a library unpacks.
    tarfile.TarFile.extraction_filter = staticmethod(refuse_links)
    try:
        getattr(torchvision.datasets, name)(str(root), download=True)
    except Exception as error:
        # urllib, ssl and tarfile raise errors of their own.
        hint = " (Debian: apt install dataset-fashion-mnist)" if name == "FashionMNIST" else ""
        raise VisusError(
            f"data.root {str(root)!r}: holds no {name}, and downloading it failed ({error}); "
            f"download it by hand{hint} and give its folder"
        ) from None
    finally:
        tarfile.TarFile.extraction_filter = previous


class _RefusedMemberError(tarfile.FilterError):
    """A member that no archive of images needs, and that could write or read elsewhere."""


def refuse_links(member: tarfile.TarInfo, folder: str) -> tarfile.TarInfo:
    """A filter of `tarfile` that accepts files and folders inside the folder, and nothing else.

    Args:
        member: A member of an archive.
        folder: Where it is unpacked.

    Raises:
        tarfile.FilterError: If it is a link or a device, or lies outside of the folder.
    """
    if not (member.isfile() or member.isdir()):
        raise _RefusedMemberError(f"its archive holds {member.name!r}, a link or a device")
    parts = PurePosixPath(member.name.replace("\\", "/")).parts
    if member.name.startswith(("/", "\\")) or ".." in parts:
        raise _RefusedMemberError(f"its archive holds {member.name!r}, outside of its folder")
    return tarfile.data_filter(member, folder)


def _read_idx(path: Path) -> NDArray[np.uint8]:
    """Read an IDX file: two zero bytes, type, rank, sizes as big-endian integers, then the data."""
    try:
        data = gzip.decompress(path.read_bytes())
        rank = data[3]
        shape = np.frombuffer(data, ">i4", rank, 4)
        return np.frombuffer(data, np.uint8, offset=4 + 4 * rank).reshape(shape)
    except (OSError, EOFError, IndexError, ValueError, zlib.error) as error:
        raise VisusError(f"{path}: missing or damaged ({error}); download it again") from None


class _ArrayUnpickler(pickle.Unpickler):
    """Unpickles NumPy arrays and plain values only; refuses any other class or function."""

    _ALLOWED = frozenset({"_reconstruct", "ndarray", "dtype"})

    def find_class(self, module: str, name: str) -> Any:
        if module.split(".")[0] == "numpy" and name in self._ALLOWED:
            if name == "_reconstruct":
                from numpy._core.multiarray import _reconstruct

                return _reconstruct
            return getattr(np, name)
        raise pickle.UnpicklingError(f"it contains {module}.{name}, which is not an array")


def _read_cifar(path: Path) -> Arrays:
    try:
        with path.open("rb") as file:
            batch = _ArrayUnpickler(file, encoding="bytes").load()
        images = np.asarray(batch[b"data"], np.uint8).reshape(-1, 3, 32, 32)
        return images.transpose(0, 2, 3, 1), np.asarray(batch[b"labels"], np.int64)
    except (OSError, EOFError, KeyError, ValueError, TypeError, pickle.UnpicklingError) as error:
        raise VisusError(f"{path}: missing or damaged ({error}); download it again") from None
