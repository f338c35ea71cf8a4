"""The options of a training: as the command line and the configuration give them together."""

from collections.abc import Sequence
from typing import Any

import yaml

from visus.apps.parsing import CommandError
from visus.apps.training.arguments import parse_arguments
from visus.apps.training.cli import VisusCLI
from visus.apps.training.run import prepare


class _ParsingCLI(VisusCLI):
    """Parses, and builds neither the model nor the data nor a run folder."""

    def instantiate_classes(self) -> None:
        """Build nothing."""
        self.datamodule: Any = None


def parse_options(arguments: Sequence[str]) -> tuple[dict[str, Any], set[str]]:
    """Parse a command line of `visus fit`, as a trial will.

    Args:
        arguments: The words after `visus fit`.

    Returns:
        All options with their values, as a configuration, and the dotted names of those that the
        command line itself gives, such as `model.learning_rate`.

    Raises:
        CommandError: If an option is unknown, or its value is wrong.
    """
    given = parse_arguments("fit", arguments)
    if given.model is not None:
        raise CommandError("--resume: each trial is a new training; leave it out")
    cli, _ = prepare("fit", given, _ParsingCLI)
    options: dict[str, Any] = cli.config.as_dict()
    words = [word.rstrip("+") for word in cli.given if word.startswith("--")]
    return options, {word.removeprefix("--").replace(".init_args.", ".") for word in words}


def chosen_options(cli: VisusCLI) -> dict[str, Any]:
    """The options of a training that differ from their defaults, as a configuration."""
    text = cli.parser.dump(cli.config, skip_none=False, skip_default=True)
    chosen: dict[str, Any] = yaml.safe_load(text)
    return chosen
