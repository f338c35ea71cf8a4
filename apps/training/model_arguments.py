"""Arguments of the model and of the data, between the command line and their constructors."""

import inspect
import sys
from collections.abc import Collection
from pydoc import locate
from typing import Any

from pytorch_lightning.utilities import rank_zero_only

from visus.apps.parsing import CommandError
from visus.models.backbones import accepted_options


def refuse_null(config: Any) -> None:
    """Refuse `null` where a value is needed; jsonargparse does not compare it with the type.

    Args:
        config: The parsed configuration.

    Raises:
        CommandError: If there is one.
    """
    for key in ("model", "data"):
        given = dict(config[key].get("init_args") or {})
        for base in getattr(locate(config[key].class_path), "__mro__", ()):
            for name, parameter in inspect.signature(base.__init__).parameters.items():
                optional = parameter.default is None or "None" in str(parameter.annotation)
                typed = parameter.annotation is not inspect.Parameter.empty
                # A subclass may allow what its base class does not.
                value = given.pop(name, "")
                if typed and not optional and value is None:
                    raise CommandError(f"--{key}.{name} null: it needs a value; leave it out")


def drop_options_of_another_backbone(model: Any, given: Collection[str]) -> None:
    """Drop options of the configuration that the backbone of the command line lacks.

    Args:
        model: The arguments of the model, which are changed.
        given: The options of the command line.
    """
    options = model.get("backbone_options")
    if not options or "--model.backbone" not in given:
        return
    if "--model.backbone_options" in given:
        return
    # `--model.backbone_options.width 8` adds to the options of the configuration.
    prefix = "--model.backbone_options."
    typed = {each.removeprefix(prefix) for each in given if each.startswith(prefix)}
    known = accepted_options(model["backbone"]) | typed
    foreign = sorted(set(options) - known)
    if foreign:
        rank_zero_only(print)(
            f"--model.backbone {model['backbone']}: takes no option {', '.join(foreign)}, "
            "which the configuration sets for another backbone; left out",
            file=sys.stderr,
        )
        kept = {key: value for key, value in options.items() if key in known}
        model["backbone_options"] = kept or None
