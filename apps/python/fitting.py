"""Train from Python: keywords as the options of `visus fit`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from visus.apps.python.model import Model, load
from visus.apps.python.options import errors_in_python, to_arguments, unknown_option
from visus.apps.training.arguments import TRAINING_SLIPS, recognised_config, trainer_arguments
from visus.apps.training.config_options import TOP_OPTIONS, known_options
from visus.configs import config_names, find_config
from visus.vision.errors import VisusError


def fit(
    data: str | Path | None,
    task: str | None,
    config: str | Path | None,
    init_from: str | Path | None,
    budget: str | None,
    options: Mapping[str, Any],
) -> Model:
    """Train a model; see `visus.fit`."""
    name = _config(data, task, config)
    known = known_options(find_config(name))
    arguments = {}
    for option, value in options.items():
        if option in known:
            arguments[known[option]] = value
        elif option in known.values():
            arguments[option] = value
        else:
            _refuse(option, known, name)
    place = [] if data is None else ["--data", str(data)]
    start = [] if init_from is None else ["--init-from", str(init_from)]
    start += [] if budget is None else ["--budget", str(budget)]
    from visus.apps.training.run import train

    with errors_in_python():
        folder = train(["--config", name, *place, *start, *to_arguments(arguments)])
    return load(folder)


def _config(data: str | Path | None, task: str | None, config: str | Path | None) -> str:
    """The configuration to train with; recognised from the data where none is named."""
    if config is not None:
        if task is not None:
            raise TypeError("task and config: a configuration has its task; give one of the two")
        return str(config)
    if task is not None:
        name = f"{task}/custom"
        tasks = [each.removesuffix("/custom") for each in config_names() if "/custom" in each]
        if task not in tasks:
            raise VisusError(f"task={task!r}: choose from {', '.join(tasks)}, or name a config")
        return name
    if data is None:
        raise TypeError("fit() needs data, the folder of a data set, or config")
    return recognised_config(str(data))


def _refuse(option: str, known: Mapping[str, str], config: str) -> None:
    """Refuse an unknown option.

    Raises:
        TypeError: Always; with the option that was probably meant, and all others.
    """
    slip = TRAINING_SLIPS.get(f"--{option}")
    if slip is not None and slip.rpartition(".")[2].lstrip("-") in known:
        meant = slip.rpartition(".")[2].lstrip("-")
        raise TypeError(f"unknown option {option}; here it is {meant}")
    sections = ("model.", "data.")
    own = [name for name, dotted in known.items() if dotted.startswith(sections)]
    raise unknown_option(option, [*own, *TOP_OPTIONS, *trainer_arguments()], f"fit with {config}")
