"""Turn jsonargparse's long messages into one line that names the key, the value and the remedy."""

import re
import sys
from collections.abc import Iterable, Iterator

from visus.apps.parsing import CommandError, did_you_mean, explain
from visus.apps.training.config_options import arguments_of
from visus.datamodules.registry import data_specs
from visus.tasks.base import VisionTask
from visus.tasks.registry import task_specs
from visus.vision.errors import VisusError

_LONGEST_VALUE = 60


class ArgumentError(CommandError):
    """A wrong value of one argument.

    Args:
        key: The argument, relative to the object that is parsed, such as `batch_size`.
        problem: The value and what is wrong with it.
    """

    def __init__(self, key: str, problem: str) -> None:
        self.key = key
        self.problem = problem
        super().__init__(f"--{key} {problem}")


def one_line_error(
    message: str, error: BaseException | None, options: Iterable[str], trusted: str
) -> CommandError:
    """The error for a parser's message, in one line.

    The arguments of an object are parsed by a parser of their own, whose errors lack the
    object's key; the parser around it adds the key.

    Args:
        message: The message of jsonargparse.
        error: The exception that caused it, or None.
        options: The parser's known options.
        trusted: The packages from which classes may come, for the message.
    """
    text = " ".join(explain(message, options).split())
    named = re.search(r'[Kk]ey "([\w.+]+)"', text)
    key = named[1].rstrip("+") if named else ""
    cause = find_visus_error(error)
    if isinstance(cause, ArgumentError):
        return ArgumentError(f"{key}.{cause.key}", cause.problem) if key else cause
    if cause is not None:
        return CommandError(str(cause))
    denied = re.search(r"Importing '([\w.]+)' is not allowed", text)
    if denied:
        return ArgumentError(
            key or "class_path",
            f"{denied[1]!r} is not allowed: a class_path must lie in {trusted}; pass "
            "--allow-custom-classes if you trust it",
        )
    unknown = re.search(r"Option '([\w.]+)' is not accepted", text)
    if unknown:
        known = sorted({option.lstrip("-") for option in options})
        name = unknown[1].rpartition(".")[2]
        if unknown[1].endswith("data.root") or unknown[1] == "root":
            remedy = "does not apply, as these data are generated or downloaded; leave --data out"
            return ArgumentError(unknown[1], remedy)
        others = [each for each in _parameters() if each != name]
        near = did_you_mean(unknown[1], known) or did_you_mean(name, others)
        return ArgumentError(unknown[1], f"is an unknown option{near}")
    missing = re.search(r"arguments are required: ([\w.]+)", text)
    if missing:
        return ArgumentError(missing[1], "is required and was not given")
    given = re.search(r"(?:Given value|Got value): (.*)$", text)
    if not given:
        return CommandError(text)
    value = given[1] if len(given[1]) <= _LONGEST_VALUE else given[1][:_LONGEST_VALUE] + "..."
    return ArgumentError(key, _problem(text, value))


def _problem(text: str, value: str) -> str:
    """What is wrong with a value, by jsonargparse's list of what it expected."""
    choices = [
        choice.strip("'")
        for literal in re.findall(r"Expected a typing\.Literal\[(.*?)\]", text)
        for choice in literal.split(", ")
    ]
    if choices:
        near = did_you_mean(value, choices) or f"; choose from {', '.join(dict.fromkeys(choices))}"
        return f"{value!r} is unknown{near}"
    failed = re.search(r"Problem with given class_path '([\w.]+)': (.*?)(?: - |$)", text)
    if failed:
        return f"{failed[1]!r}: {failed[2]}"
    types = re.findall(r"Expected an? <class '([\w.]+)'>", text)
    types = [each.rpartition(".")[2] for each in types if each != "NoneType"]
    is_class = "Expected a dot import path string" in text or "Not a valid subclass" in text
    if is_class and not {"int", "float"} & set(types):
        names = _class_names(text)
        parts = [name for name in names if value.lower() in name.lower()]
        near = f"; did you mean {' or '.join(parts[:3])}?" if parts else did_you_mean(value, names)
        return f"{value!r} is not a class{near}"
    if types:
        return f"{value!r} is not of type {' or '.join(dict.fromkeys(types))}"
    expected = re.search(r"(Expected .*?)(?:\.? (?:Got|Given) value|$)", text)
    return f"{value!r}: {expected[1].lower() if expected else text}"


def find_visus_error(error: BaseException | None) -> VisusError | None:
    """The `VisusError` that a library wrapped, or None."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        if isinstance(error, VisusError):
            return error
        seen.add(id(error))
        error = error.__cause__ or error.__context__
    return None


def _class_names(text: str) -> list[str]:
    """Names of the subclasses of the classes that a message lists as allowed."""
    paths = re.findall(r"([\w.]+)\.([A-Z]\w+)(?=['\]])", text)
    bases = [getattr(sys.modules.get(module), name, None) for module, name in paths]
    classes = [base for base in bases if isinstance(base, type)]
    return sorted({each.__name__ for base in classes for each in _subclasses(base)})


def _subclasses(base: type) -> Iterator[type]:
    subclasses: list[type] = base.__subclasses__()
    for each in subclasses:
        yield each
        yield from _subclasses(each)


def _parameters() -> list[str]:
    """Names of the arguments of all tasks and data modules."""
    classes: list[type] = [VisionTask]
    classes += [spec.lightning_class() for spec in task_specs().values()]
    classes += [each for spec in data_specs().values() for each in spec.data_modules()]
    return sorted({name for each in classes for name in arguments_of(each)})
