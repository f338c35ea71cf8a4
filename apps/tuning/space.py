"""The search space of `visus tune`: the `tune:` block of a configuration."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from visus.apps.parsing import CommandError, did_you_mean
from visus.apps.yaml_files import place

if TYPE_CHECKING:
    import optuna

BLOCK = "tune"
"""The key of a configuration."""

BACKBONE_OPTIONS = "model.backbone_options"
"""The option whose keys depend on the backbone."""

_RANGE_KEYS = ("low", "high", "log", "step")
_FORMS = "{low: 1, high: 8}, with log: true or step: 1, or a list of choices"

Value = str | int | float | bool | None


@dataclass(frozen=True)
class Choices:
    """Values of which a trial takes one."""

    values: tuple[Value, ...]

    def __contains__(self, value: object) -> bool:
        return value in self.values

    def suggest(self, trial: "optuna.Trial", key: str) -> Value:
        """The value of a trial."""
        chosen: Value = trial.suggest_categorical(key, self.values)
        return chosen


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, both included.

    Attributes:
        low: The smallest.
        high: The largest.
        log: Whether factors are as likely as differences otherwise.
        step: Distance of two values; None for any value between.
    """

    low: int | float
    high: int | float
    log: bool = False
    step: int | float | None = None

    def __contains__(self, value: object) -> bool:
        return isinstance(value, int | float) and self.low <= value <= self.high

    def suggest(self, trial: "optuna.Trial", key: str) -> Value:
        """The value of a trial."""
        if isinstance(self.low, int) and isinstance(self.high, int):
            return trial.suggest_int(
                key, self.low, self.high, step=int(self.step or 1), log=self.log
            )
        return trial.suggest_float(key, self.low, self.high, step=self.step, log=self.log)


Space = Mapping[str, Choices | Range]
"""By option of `visus fit` without hyphens, such as `model.learning_rate`."""


def read_space(path: Path, known: Sequence[str]) -> Space | None:
    """The search space of a configuration.

    Args:
        path: The YAML file.
        known: The options that may be searched, such as `model.learning_rate`, and those of the
            backbones, such as `model.backbone_options.width`.

    Returns:
        None if the file has no `tune:` block.

    Raises:
        CommandError: If a key is unknown, or a range is empty or of another form.
    """
    text = path.read_text(encoding="utf-8")
    root = yaml.compose(text)
    assert isinstance(root, yaml.MappingNode)
    block = next((value for key, value in root.value if key.value == BLOCK), None)
    if block is None:
        return None
    content: Any = yaml.safe_load(text)[BLOCK]
    if not content:
        raise CommandError(f"{place(path, block)}: tune: is empty; map options to {_FORMS}")
    space = {}
    for node, _ in block.value:
        key = str(node.value)
        where = f"{place(path, node)}: {key}"
        if not _is_known(key, known):
            raise CommandError(f"{where}: there is no such option{did_you_mean(key, known)}")
        space[key] = _parse(content[key], where)
    return space


def _is_known(key: str, known: Sequence[str]) -> bool:
    """Whether an option exists; the keys of dictionaries are open, but for those of backbones."""
    owner = key.rpartition(".")[0]
    return key in known or (owner in known and owner != BACKBONE_OPTIONS)


def _parse(content: object, where: str) -> Choices | Range:
    if isinstance(content, list):
        if not content:
            raise CommandError(f"{where}: the list of choices is empty")
        if any(isinstance(value, list | dict) for value in content):
            raise CommandError(f"{where}: choices are numbers, words, true or false")
        return Choices(tuple(content))
    if not isinstance(content, dict) or not {"low", "high"} <= set(content):
        raise CommandError(f"{where}: {content!r} is not a range; write {_FORMS}")
    for key in content:
        if key not in _RANGE_KEYS:
            raise CommandError(f"{where}: unknown {key!r}{did_you_mean(str(key), _RANGE_KEYS)}")
    for key in ("low", "high", "step"):
        value = content.get(key)
        if key in content and (not isinstance(value, int | float) or isinstance(value, bool)):
            hint = ""
            if isinstance(value, str) and "e" in value:
                hint = "; YAML reads 1e-3 as text, write 1.0e-3 or 0.001"
            raise CommandError(f"{where}: {key} {value!r} is not a number{hint}")
    low: Any = content["low"]
    high: Any = content["high"]
    log, step = bool(content.get("log")), content.get("step")
    if not low < high:
        raise CommandError(f"{where}: the range from {low:g} to {high:g} is empty")
    if log and low <= 0:
        raise CommandError(f"{where}: low {low:g} must be above 0 with log: true")
    if log and step:
        raise CommandError(f"{where}: log and step exclude each other")
    if step is not None and step <= 0:
        raise CommandError(f"{where}: step {step:g} must be above 0")
    if isinstance(low, float) or isinstance(high, float) or isinstance(step, float):
        low, high = float(low), float(high)
    return Range(low, high, log, step)


def default_space(own: Mapping[str, Any]) -> Space:
    """The space of a configuration without a `tune:` block: learning rates and weight decay.

    Args:
        own: The configuration's own values by option.
    """
    space: dict[str, Choices | Range] = {}
    for key in ("model.learning_rate", "model.backbone_learning_rate", "model.weight_decay"):
        value = own.get(key)
        if isinstance(value, int | float) and value > 0:
            space[key] = Range(value / 5, value * 5, log=True)
    return space
