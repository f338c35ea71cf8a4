"""Read files of tensors from anywhere: without running code, within the memory of their size."""

import warnings
import zipfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from visus.vision.errors import VisusError

_NESTED_KEYS = ("state_dict_ema", "model_ema", "state_dict", "model")
"""Where training programs store the weights; the first one is used."""

_PREFIXES = ("_orig_mod.", "module.")
"""What compiled and distributed networks put before each name."""


def load_plain(path: str | Path) -> Any:
    """`torch.load` of tensors and plain values alone, on the CPU.

    Args:
        path: The file.

    Raises:
        VisusError: If the file holds code or other objects, or expands beyond its size.
        Exception: Of any kind, if it is damaged.
    """
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            # torch.save compresses nothing.
            expanded = sum(entry.file_size for entry in archive.infolist())
        if expanded > Path(path).stat().st_size:
            raise VisusError(
                f"{path}: refused, it expands to {expanded:,} bytes; use a file that torch.save "
                "wrote"
            )
    try:
        with warnings.catch_warnings():
            # About the kinds of objects in it, which users cannot act on.
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        if not any(
            words in str(error) for words in ("weights_only", "Weights only", "Unsupported")
        ):
            raise
        raise VisusError(
            f"{path}: refused, it carries code or objects beside weights, none of which was run; "
            "use a file of weights alone"
        ) from None


def odd_tensor(tensors: object) -> str | None:
    """What is wrong with named tensors, such as a state dictionary, or None.

    Args:
        tensors: What was read from a file. Names must be text, and tensors dense: a sparse one, or
            one that repeats its elements, takes little room in a file, but any amount of memory
            once something is computed with it.
    """
    if not isinstance(tensors, dict) or not tensors:
        return "it holds no named tensors"
    for name, value in tensors.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            return f"{name!r} is not a named tensor"
        dense = value.layout == torch.strided and value.device.type == "cpu"
        if not dense or value.is_quantized:
            return f"{name} is not a dense tensor"
        if value.numel() * value.element_size() > value.untyped_storage().nbytes():
            return f"{name} is larger than its data"
    return None


def read_weights(path: str) -> dict[str, Tensor]:
    """Read the weights of a network that any program saved.

    Args:
        path: A file of `torch.save`, or a `.safetensors` file.

    Returns:
        The state dictionary, without the prefixes of compiled and distributed networks.

    Raises:
        VisusError: If the file cannot be read, holds other objects than tensors and plain values,
            or weights that are not finite.
    """
    try:
        if path.endswith(".safetensors"):
            from safetensors.torch import load_file

            content: Any = load_file(path)
        else:
            content = load_plain(path)
    except VisusError:
        raise
    except Exception as error:
        # Depending on the damage torch raises EOFError, RuntimeError, UnpicklingError...
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise VisusError(f"pretrained {path!r}: cannot be read ({reason})") from None
    if isinstance(content, dict):
        nested = [content[key] for key in _NESTED_KEYS if isinstance(content.get(key), dict)]
        content = nested[0] if nested else content
    problem = odd_tensor(content)
    if problem is not None:
        raise VisusError(f"pretrained {path!r}: is not a file of weights ({problem})")
    weights: dict[str, Tensor] = {}
    for name, value in content.items():
        if not torch.isfinite(value).all():
            raise VisusError(f"pretrained {path!r}: its weights {name} are not finite")
        weights[_plain_name(name)] = value
    return weights


def _plain_name(name: str) -> str:
    while name.startswith(_PREFIXES):
        name = name.partition(".")[2]
    return name
