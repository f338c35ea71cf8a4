"""Registry of the tasks: those in the folders beside this file, and of installed packages."""

from collections.abc import Iterable
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from visus.models.weights_entry import WeightsEntry
from visus.models.weights_manifest import PARTS
from visus.tasks.options import TaskOption
from visus.tasks.spec import TaskSpec
from visus.vision.entry_points import load_entry_point
from visus.vision.errors import VisusError

ENTRY_POINTS = "visus.tasks"
"""The entry-point group under which a package registers a subclass of `TaskSpec`."""


@cache
def task_specs() -> dict[str, TaskSpec]:
    """All tasks by name.

    Raises:
        VisusError: If two tasks have the same name, or declare one option with different types.
    """
    folders = sorted(path.parent.name for path in Path(__file__).parent.glob("*/spec.py"))
    listed = [_spec_in(f"visus.tasks.{folder}.spec") for folder in folders]
    listed += [load_entry_point(entry) for entry in entry_points(group=ENTRY_POINTS)]
    specs: dict[str, TaskSpec] = {}
    for spec in listed:
        if spec.name in specs:
            raise VisusError(f"two tasks are named {spec.name!r}; uninstall one of the packages")
        specs[spec.name] = spec
    _check_options(specs.values())
    return specs


def _spec_in(module: str) -> TaskSpec:
    """The one subclass of `TaskSpec` that a module defines."""
    (spec,) = (
        value
        for value in vars(import_module(module)).values()
        if isinstance(value, type) and issubclass(value, TaskSpec) and value.__module__ == module
    )
    return spec()


def _check_options(specs: Iterable[TaskSpec]) -> None:
    """Refuse an option that two tasks declare with another type or arity."""
    known: dict[str, TaskOption] = {}
    for spec in specs:
        for option in spec.options:
            other = known.setdefault(option.flag, option)
            if (other.kind, other.choices) != (option.kind, option.choices):
                raise VisusError(f"{option.flag} of task {spec.name} has another type elsewhere")


def task_spec(name: str, place: str = "") -> TaskSpec:
    """The spec of a task.

    Args:
        name: Its name.
        place: The file that names it, for the error.

    Raises:
        VisusError: If there is none.
    """
    spec = task_specs().get(name)
    if spec is None:
        prefix = f"{place}: " if place else ""
        raise VisusError(
            f"{prefix}task {name!r} is not installed; known tasks: {', '.join(task_specs())}"
        )
    return spec


def trusted_packages() -> list[str]:
    """Packages whose classes a `class_path` may name: visus and those that registered a task."""
    own = {entry.value.partition(":")[0].partition(".")[0] for entry in registered()}
    return ["visus.tasks", "visus.datamodules", "torch.optim", "pytorch_lightning", *sorted(own)]


def registered() -> list[EntryPoint]:
    """The entry points of installed packages."""
    return [*entry_points(group=ENTRY_POINTS), *entry_points(group="visus.datamodules")]


def all_weights() -> list[WeightsEntry]:
    """Ready-made weights of all tasks, and of the networks that several of them use."""
    return [entry for spec in task_specs().values() for entry in spec.weights()] + [*PARTS]


def find_weights(name: str) -> WeightsEntry | None:
    """The ready-made weights of a name or an alias."""
    for entry in all_weights():
        if name == entry.name or name in entry.aliases:
            return entry
    return None
