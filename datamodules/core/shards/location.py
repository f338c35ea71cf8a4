"""Where shards lie: a folder, or an address that fsspec opens."""

import os
from collections.abc import Callable
from typing import Any, TypeVar

from visus.vision.errors import VisusError

Result = TypeVar("Result")

INDEX = "shards.json"
"""The file that makes a folder a data set in shards."""

SAMPLES = "samples.npy"
"""Where the files and the record of each sample lie."""

RECORDS = "records.bin"
"""The records of all samples, one after the other."""

_PACKAGES = {"https": "aiohttp", "http": "aiohttp", "s3": "s3fs", "gs": "gcsfs", "az": "adlfs"}
"""Packages that fsspec needs for the address of another machine."""


def is_address(root: object) -> bool:
    """Whether a data set is named by an address, such as `s3://bucket/flowers`, not by a path."""
    return "://" in str(root)


def is_shards(root: object) -> bool:
    """Whether a data set is in shards: at an address, or in a folder with an index of them."""
    return is_address(root) or os.path.isfile(os.path.join(str(root), INDEX))


class Store:
    """The files in a folder or at an address.

    Each process opens the file system anew: connections do not survive a fork.

    Args:
        root: The folder, or an address such as `https://host/flowers` or `s3://bucket/flowers`.
    """

    def __init__(self, root: str) -> None:
        self.root = root.rstrip("/")
        self._process = 0
        self._opened: tuple[Any, str] | None = None

    def __getstate__(self) -> dict[str, Any]:
        """A copy in another process opens the file system itself."""
        return {**vars(self), "_opened": None}

    def read(self, name: str, start: int | None = None, end: int | None = None) -> bytes:
        """The bytes of a file, or those from `start` to before `end`.

        Raises:
            VisusError: If they cannot be read.
        """
        return self._attempt(name, lambda system, path: bytes(system.cat_file(path, start, end)))

    def size(self, name: str) -> int:
        """Size of a file in bytes.

        Raises:
            VisusError: If there is no such file.
        """
        return self._attempt(name, lambda system, path: int(system.size(path)))

    def _attempt(self, name: str, action: Callable[[Any, str], Result]) -> Result:
        """The result of an action on the file system and the path of a file in it."""
        place = f"{self.root}/{name}"
        scheme = self.root.partition("://")[0] if is_address(self.root) else "file"
        try:
            system, folder = self._system()
            return action(system, f"{folder.rstrip('/')}/{name}")
        except ImportError as error:
            package = _PACKAGES.get(scheme, "the package that fsspec names")
            raise VisusError(f"{place}: {error}; pip install {package}") from None
        except FileNotFoundError:
            raise VisusError(f"{place}: there is no such file; check the address") from None
        except Exception as error:
            # Each kind of store has errors of its own classes.
            reason = str(error) or type(error).__name__
            raise VisusError(
                f"{place}: cannot be read ({reason}); check the connection and the permissions"
            ) from error

    def _system(self) -> tuple[Any, str]:
        if self._opened is None or self._process != os.getpid():
            from fsspec.core import url_to_fs

            self._opened = url_to_fs(self.root)
            self._process = os.getpid()
        return self._opened
