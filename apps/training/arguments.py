"""The command lines of `visus fit`, `validate` and `test`, before Lightning's CLI reads them."""

import ast
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import yaml

from visus.apps.launched import is_first_process
from visus.apps.parsing import CommandError, did_you_mean
from visus.apps.training.budget.clock import Budget, parse_budget
from visus.apps.training.config_files import SECTIONS, check_config
from visus.configs import config_names, find_config
from visus.datamodules.registry import recognise
from visus.tasks.registry import find_weights
from visus.vision.printable import printable

TRAINING_SLIPS = {
    "--ckpt_path": "--resume",
    "--ckpt": "--resume",
    "--start": "--init-from",
    "--weights": "--init-from",
    "--epochs": "--trainer.max_epochs",
    "--max_epochs": "--trainer.max_epochs",
    "--root": "--data",
    "--path": "--data",
    "--imgsz": "--data.image_size",
    "--img": "--data.image_size",
    "--batch": "--data.batch_size",
    "--batch_size": "--data.batch_size",
    "--workers": "--data.num_workers",
    "--lr": "--model.learning_rate",
    "--lr0": "--model.learning_rate",
    "--device": "--trainer.accelerator",
    "--model_name": "--model.backbone",
    "--backbone": "--model.backbone",
}
"""Options of other tools, and their names here."""

_FIT_ALONE = ("--budget", "--resume")
"""Options that only training has."""


@dataclass
class Arguments:
    """A parsed command line.

    Attributes:
        rest: What Lightning's CLI reads.
        configs: Names or files of configurations.
        model: The run that is resumed, or the model that is measured.
        allow_custom_classes: Whether classes from the current folder may be imported.
        budget: The time budget of a training, whose clock has started; None without one.
    """

    rest: list[str] = field(default_factory=list)
    configs: list[str] = field(default_factory=list)
    model: str | None = None
    allow_custom_classes: bool = False
    budget: Budget | None = None


def parse_arguments(subcommand: str, argv: Sequence[str]) -> Arguments:
    """Parse the arguments that visus adds to Lightning's CLI.

    `--data PATH` stands for `--data.root PATH`, options are written with hyphens or underscores,
    `--resume [RUN]` continues a run, a model may come first, and without a configuration the
    task is recognised from the data.

    Args:
        subcommand: `fit`, `validate` or `test`.
        argv: The arguments after it.

    Raises:
        CommandError: If an option has another name here, or something is missing.
    """
    given = Arguments()
    words = _split_values(argv)
    options = [word.partition("=")[0] for word in words if word.startswith("-")]
    asks_for_help = any(option == "-h" or option.endswith("help") for option in options)
    if subcommand != "fit" and words and not words[0].startswith("-"):
        given.model = words.pop(0)
    root = ""
    configs: list[str] = []
    while words:
        word = words.pop(0)
        written = word.partition("=")[0]
        long = word.startswith("--") and "." not in written
        option = f"--{written[2:].replace('-', '_')}" if long else written
        if option == "--allow_custom_classes" and word == written:
            given.allow_custom_classes = True
        elif option in ("--config", "-c"):
            value = _value(word, words)
            given.configs.append(value)
            path = find_config(value)
            check_config(path)
            configs += ["--config", str(path)]
        elif option == "--resume" and subcommand == "fit":
            has_value = bool(words) and not words[0].startswith("-")
            given.model = words.pop(0) if has_value else "latest"
        elif option == "--budget" and subcommand == "fit":
            given.budget = parse_budget(_value(word, words))
        elif option == "--data" and not _is_class(words):
            root = _value(word, words)
            given.rest += ["--data.root", root]
        elif option in TRAINING_SLIPS:
            raise CommandError(_slip(written, option, subcommand))
        elif option == "--init_from":
            given.rest += [option, _value(word, words)]
        elif option in ("--trainer.callbacks", "--trainer.callbacks+"):
            _add_callbacks(given, word, words)
        elif word.startswith("--model.data_info"):
            raise CommandError(f"{word} follows from the data; change the data's arguments instead")
        elif not word.startswith("-") and _is_stray(given.rest):
            raise CommandError(_stray(word, subcommand))
        elif option in _FIT_ALONE:
            raise CommandError(f"{written} belongs to visus fit, not to visus {subcommand}")
        elif word.startswith("--") and _is_unknown(option):
            raise CommandError(f"unknown option {written}{did_you_mean(written, _known_options())}")
        elif _needs_value(word):
            value = _value(word, words)
            if value.startswith("--"):
                raise CommandError(f"{word} needs a value, but {value} follows")
            # A value that begins with a hyphen is not an option.
            given.rest += [f"{word}={value}"] if value.startswith("-") else [word, value]
        else:
            given.rest.append(word)
    # Options count more than configurations, in whichever order they are given.
    given.rest[:0] = configs
    if given.model is not None and "--init_from" in given.rest:
        raise CommandError(
            "--init-from uses the weights of another model, but this command has a checkpoint; "
            "leave one of the two out"
        )
    if subcommand != "fit":
        _measure_ready_made(given)
    if not given.configs and given.model is None and not asks_for_help:
        if subcommand != "fit":
            raise CommandError(f"name a model: visus {subcommand} latest")
        if not root:
            raise CommandError(
                "name your data, visus fit --data PATH, or a configuration, visus fit --config "
                f"{' or '.join(config_names())}"
            )
        config = recognised_config(root)
        given.configs.append(config)
        given.rest = ["--config", str(find_config(config)), *given.rest]
    return given


def recognised_config(root: str) -> str:
    """The configuration for a user's own data; prints which task was recognised.

    Raises:
        VisusError: If the data are not recognised.
    """
    spec, what = recognise(root)
    config = f"{spec.task}/custom"
    if is_first_process():
        print(printable(f"{root}: {what}; --config {config}"))
    return config


def _split_values(argv: Sequence[str]) -> list[str]:
    """`--config=x` and `--data=x` as two words; the other options are left to Lightning's CLI."""
    words = []
    for word in argv:
        option, equals, value = word.partition("=")
        plain = option.replace("-", "_").lstrip("_")
        if equals and plain in ("config", "data", "resume", "init_from", "budget"):
            words += [option, value]
        else:
            words.append(word)
    return words


def _value(option: str, words: list[str]) -> str:
    if not words:
        raise CommandError(f"{option} needs a value")
    return words.pop(0)


def _add_callbacks(given: Arguments, word: str, words: list[str]) -> None:
    """Add callbacks to those of the configuration; `null` or `[]` drops these."""
    option, equals, value = word.partition("=")
    value = value if equals else _value(option, words)
    try:
        content = yaml.safe_load(value)
    except yaml.YAMLError:
        raise CommandError(f"--trainer.callbacks {value!r} is neither a class nor a list") from None
    adds = "+" if content else ""
    given.rest.append(f"--trainer.callbacks{adds}={value}")


def _is_class(words: list[str]) -> bool:
    """Whether the value of `--data` is a data module's class, not a path."""
    if not words:
        return False
    value = words[0]
    parts = value.split(".")
    dotted = len(parts) > 1 and all(part.isidentifier() for part in parts)
    return dotted and parts[-1][:1].isupper() and not Path(value).exists()


def _is_stray(rest: list[str]) -> bool:
    """Whether the next word belongs to no option."""
    return not rest or not rest[-1].startswith("-") or "=" in rest[-1]


def _is_unknown(option: str) -> bool:
    """Whether Lightning's CLI has no such option; those of model and data depend on the class."""
    name, _, key = option.removeprefix("--").rstrip("+").partition(".")
    if name == "trainer" and key:
        return key.partition(".")[0] not in trainer_arguments()
    return name not in (*SECTIONS, "print_config", "help") and not name.endswith(".help")


def _needs_value(word: str) -> bool:
    """Whether a word is an option of a section, `--model.warmup`, whose value comes next."""
    return word.startswith("--") and "." in word and "=" not in word and not word.endswith("help")


def _known_options() -> list[str]:
    trainer = [f"--trainer.{name}" for name in trainer_arguments()]
    own = ["--config", *_FIT_ALONE, "--print_config"]
    return [*(f"--{name}" for name in SECTIONS), *own, *trainer]


@cache
def trainer_arguments() -> tuple[str, ...]:
    """The arguments of Lightning's trainer, from its source: importing it takes seconds."""
    spec = find_spec("pytorch_lightning")
    assert spec is not None and spec.origin is not None
    source = Path(spec.origin).parent / "trainer" / "trainer.py"
    tree = ast.parse(source.read_text(encoding="utf-8"))
    (trainer,) = (n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == "Trainer")
    (start,) = (n for n in trainer.body if isinstance(n, ast.FunctionDef) and n.name == "__init__")
    return tuple(each.arg for each in (*start.args.args[1:], *start.args.kwonlyargs))


def _slip(word: str, option: str, subcommand: str) -> str:
    known = TRAINING_SLIPS[option]
    if known == "--resume" and subcommand != "fit":
        return f"unknown option {word}; name the model first: visus {subcommand} MODEL"
    return f"unknown option {word}; here it is {known}"


def _stray(word: str, subcommand: str) -> str:
    if subcommand == "fit" and word in config_names():
        return f"unexpected {word!r}; visus fit --config {word}"
    if subcommand == "fit" and Path(word).exists():
        return f"unexpected {word!r}; visus fit --data {word}"
    near = did_you_mean(word, config_names())
    return f"unexpected {word!r}{near}; options begin with --"


def _measure_ready_made(given: Arguments) -> None:
    """Replace the name of ready-made weights by the configuration that measures them.

    Raises:
        CommandError: If there is no such configuration.
    """
    entry = find_weights(given.model) if given.model else None
    # A ready-made checkpoint contains its configuration.
    if entry is None or not entry.task or entry.recipe or Path(str(given.model)).exists():
        return
    config = f"{entry.task}/{(*entry.aliases, entry.name)[0]}"
    if config not in config_names():
        raise CommandError(
            f"{given.model!r} is ready made, and no configuration measures it; train on its "
            f"weights with visus fit --config {entry.task}/custom"
        )
    given.model = None
    given.configs.append(config)
    given.rest = ["--config", str(find_config(config)), *given.rest]
