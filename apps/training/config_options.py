"""The options of a configuration: those of its task, its data module and the trainer."""

import inspect
from pathlib import Path
from pydoc import locate
from typing import Any

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
        for name in _defaults(_class_of(config, section)):
            known[name] = f"{section}.{name}"
    return known


def own_values(config: Path) -> dict[str, Any]:
    """The values that a configuration gives to options of its task and data, by dotted name.

    Those that it does not name have the defaults of the classes; those in dictionaries are named
    with a further part, such as `model.backbone_options.width`.
    """
    content = yaml.safe_load(config.read_text(encoding="utf-8")) or {}
    values: dict[str, Any] = {
        f"trainer.{key}": value for key, value in (content.get("trainer") or {}).items()
    }
    for section in ("data", "model"):
        own = content.get(section)
        given = own.get("init_args") or {} if isinstance(own, dict) else {}
        for key, value in {**_defaults(_class_of(config, section)), **given}.items():
            if isinstance(value, dict):
                values |= {f"{section}.{key}.{name}": each for name, each in value.items()}
            elif value is not inspect.Parameter.empty:
                values[f"{section}.{key}"] = value
    return values


def _class_of(config: Path, section: str) -> str:
    content = yaml.safe_load(config.read_text(encoding="utf-8")) or {}
    chosen = content.get(section)
    return str(chosen.get("class_path") if isinstance(chosen, dict) else chosen)


def _defaults(class_path: str) -> dict[str, Any]:
    """The arguments of a class and of those it passes the others on to, with their defaults."""
    found = locate(class_path) if class_path.startswith("visus.") else None
    if not isinstance(found, type):
        return {}
    defaults: dict[str, Any] = {}
    for each in found.__mro__:
        if each.__module__.startswith("visus.") and "__init__" in vars(each):
            for name, parameter in inspect.signature(vars(each)["__init__"]).parameters.items():
                if name not in _FROM_ELSEWHERE:
                    defaults.setdefault(name, parameter.default)
    return defaults
