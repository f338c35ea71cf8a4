"""Checks of configuration files, before anything slow is imported."""

from pathlib import Path

import yaml

from visus.apps.parsing import CommandError, did_you_mean
from visus.apps.yaml_files import place, read_mapping

SECTIONS = (
    *("model", "data", "trainer", "optimizer", "lr_scheduler"),
    *("seed_everything", "init_from", "tune"),
)
"""The keys of a configuration."""


def check_config(path: Path) -> None:
    """Refuse a file that is not a configuration.

    Args:
        path: A YAML file.

    Raises:
        CommandError: Naming the file, the line and the key.
    """
    root = read_mapping(path, "a configuration", f"has the keys {', '.join(SECTIONS)}")
    for key, value in root.value:
        if key.value == "trainer" and not isinstance(value, yaml.MappingNode):
            raise CommandError(f"{place(path, value)}: trainer is not a mapping of its options")
        section = str(key.value).partition(".")[0]
        if section not in SECTIONS:
            near = did_you_mean(section, SECTIONS) or f"; the keys are {', '.join(SECTIONS)}"
            raise CommandError(f"{place(path, key)}: unknown key {key.value!r}{near}")
