"""Values of task options that depend on the model, such as the names of its classes."""

from collections.abc import Sequence

from visus.apps.parsing import CommandError, did_you_mean
from visus.tasks.options import OptionValues
from visus.tasks.registry import task_spec
from visus.vision.model import Model

_LISTED = 10
"""Values that an error lists where none is similar."""


def allowed_values(models: Sequence[Model], values: Sequence[OptionValues]) -> list[OptionValues]:
    """The values of each model's options, without those that only other models allow.

    Args:
        models: Models that predict for the same images.
        values: Of each model's task options.

    Raises:
        CommandError: If no model allows a value; names similar ones.
    """
    choices = [_choices(model) for model in models]
    known: dict[str, list[str]] = {}
    for own in choices:
        for name, allowed in own.items():
            known[name] = list(dict.fromkeys([*known.get(name, []), *allowed]))
    for given in values:
        for name, allowed in known.items():
            for value in given.get(name) or ():
                if value not in allowed:
                    listed = ", ".join(allowed[:_LISTED]) + (", ..." * (len(allowed) > _LISTED))
                    hint = did_you_mean(value, allowed) or f"; choose from {listed}"
                    raise CommandError(f"--{name.replace('_', '-')} {value!r} is unknown{hint}")
    return [
        dict(given)
        | {
            name: [value for value in given[name] if value in own[name]]
            for name in own
            if given.get(name)
        }
        for given, own in zip(values, choices, strict=True)
    ]


def _choices(model: Model) -> dict[str, Sequence[str]]:
    """The allowed values of the options whose values depend on the model."""
    return {
        option.name: option.model_choices(model.metadata)
        for option in task_spec(model.metadata.task).options
        if option.model_choices is not None
    }
