"""From a configuration to the plan of a study: its search space, its own values, its figure."""

from collections.abc import Sequence
from pathlib import Path
from pydoc import locate
from typing import Any

import yaml

from visus.apps.training.config_files import check_config
from visus.apps.training.config_options import known_options, own_values
from visus.apps.tuning.space import BACKBONE_OPTIONS, BLOCK, default_space, read_space
from visus.apps.tuning.study import CONFIG, StudyPlan
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
        CommandError: If the configuration or its search space is wrong.
    """
    check_config(config)
    content: dict[str, Any] = yaml.safe_load(config.read_text(encoding="utf-8"))
    own = own_values(config)
    block = content.get(BLOCK)
    searched = block.get("model.backbone") if isinstance(block, dict) else None
    known = [name for name in known_options(config).values() if "." in name]
    for backbone in [*(searched if isinstance(searched, list) else ()), own.get("model.backbone")]:
        if isinstance(backbone, str) and list_backbones(backbone):
            options = {f"{BACKBONE_OPTIONS}.{k}": v for k, v in option_defaults(backbone).items()}
            known += options
            own = options | own
    space = read_space(config, known) or default_space(own)
    task: Any = locate(str(content["model"]["class_path"]))
    figure, mode = task.monitor
    return StudyPlan(
        arguments=["--config", str(folder / CONFIG), *arguments],
        space=space,
        defaults={key: own[key] for key in space if key in own and own[key] in space[key]},
        figure=figure,
        direction="maximize" if mode == "max" else "minimize",
        max_latency=max_latency,
    )
