"""From a configuration to the plan of a study: its search space, its own values, its metric."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from pydoc import locate
from typing import Any

from visus.apps.parsing import CommandError
from visus.apps.tuning.options import parse_options
from visus.apps.tuning.space import BACKBONE_OPTIONS, BLOCK, default_space, read_space
from visus.apps.tuning.study import CONFIG, ONE_DEVICE, StudyPlan
from visus.models.backbones import list_backbones
from visus.models.backbones.registry import option_defaults


def plan_study(
    config: Path, folder: Path, arguments: Sequence[str], max_latency: float | None = None
) -> StudyPlan:
    """The plan of a study.

    Args:
        config: A configuration, with a search space or without.
        folder: Of the study.
        arguments: Of `visus fit`, for all trials.
        max_latency: The most milliseconds that the network may take for an image.

    Raises:
        CommandError: If the configuration, its search space or an argument is wrong.
    """
    options, given = parse_options(["--config", str(config), *arguments])
    own = _by_name(options)
    searched = (options[BLOCK] or {}).get("model.backbone")
    for backbone in [*(searched if isinstance(searched, list) else ()), own.get("model.backbone")]:
        if isinstance(backbone, str) and list_backbones(backbone):
            defaults = option_defaults(backbone)
            own = {f"{BACKBONE_OPTIONS}.{name}": each for name, each in defaults.items()} | own
    space = read_space(config, list(own))
    if space is None:
        space = {key: each for key, each in default_space(own).items() if key not in given}
        if not space:
            raise CommandError(
                f"{config}: no learning rate is left to search; name other options in a tune: block"
            )
    _refuse_given(config, space, given)
    class_path = options["model"]["class_path"]
    monitor = getattr(locate(class_path), "monitor", None)
    if monitor is None:
        raise CommandError(
            f"{config}: model: {class_path} is not a task with a metric to optimise; name one as "
            "its class_path"
        )
    metric, mode = monitor
    # The other processes need the other GPUs.
    one = [ONE_DEVICE] if options["trainer"]["devices"] == "auto" else []
    return StudyPlan(
        arguments=["--config", str(folder / CONFIG), *arguments, *one],
        space=space,
        defaults={key: own[key] for key in space if key in own and own[key] in space[key]},
        metric=metric,
        direction="maximize" if mode == "max" else "minimize",
        max_latency=max_latency,
    )


def _by_name(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options of the trainer, the data and the model by dotted name.

    Those in dictionaries have a further part, such as `model.backbone_options.width`.
    """
    values: dict[str, Any] = {f"trainer.{key}": each for key, each in options["trainer"].items()}
    for section in ("data", "model"):
        for key, value in (options[section].get("init_args") or {}).items():
            if key != "data_info":
                values[f"{section}.{key}"] = value
            if isinstance(value, dict):
                values |= {f"{section}.{key}.{name}": each for name, each in value.items()}
    return values


def _refuse_given(config: Path, space: Iterable[str], given: Iterable[str]) -> None:
    """Refuse an option that has one value for all trials and is searched, too.

    Raises:
        CommandError: If there is one.
    """
    for name in sorted(given):
        for key in space:
            # `--model.backbone_options` has all of its keys; `--data` is a class.
            if "." in name and (key == name or key.startswith(f"{name}.")):
                raise CommandError(
                    f"--{name} sets {key} for all trials, and the tune: block of {config} searches "
                    "it; leave one of the two out"
                )
