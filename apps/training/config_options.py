"""The options of a configuration: those of its task, its data module and the trainer."""

import inspect
from pathlib import Path
from pydoc import locate

import yaml

from visus.apps.training.arguments import trainer_arguments

TOP_OPTIONS = ("seed_everything", "optimizer", "lr_scheduler")
"""Options of `visus fit` that have no section."""

_FROM_ELSEWHERE = {"self", "kwargs", "args", "data_info", "root"}
"""Arguments that follow from the data, or have a name of their own."""


def known_options(config: Path) -> dict[str, str]:
    """The dotted name of each option by its last part; those of the model take precedence."""
    known = {name: name for name in TOP_OPTIONS}
    known |= {name: f"trainer.{name}" for name in trainer_arguments()}
    for section in ("data", "model"):
        for name in _arguments(_class_of(config, section)):
            known[name] = f"{section}.{name}"
    return known


def _class_of(config: Path, section: str) -> str:
    content = yaml.safe_load(config.read_text(encoding="utf-8")) or {}
    chosen = content.get(section)
    return str(chosen.get("class_path") if isinstance(chosen, dict) else chosen)


def _arguments(class_path: str) -> list[str]:
    found = locate(class_path) if class_path.startswith("visus.") else None
    return arguments_of(found) if isinstance(found, type) else []


def arguments_of(cls: type) -> list[str]:
    """The arguments of a class and of those that it passes others on to."""
    names: dict[str, None] = {}
    for each in cls.__mro__:
        if each.__module__.startswith("visus.") and "__init__" in vars(each):
            names |= dict.fromkeys(inspect.signature(vars(each)["__init__"]).parameters)
    return [name for name in names if name not in _FROM_ELSEWHERE]
