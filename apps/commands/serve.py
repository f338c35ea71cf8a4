"""visus serve: predict for images that are sent over HTTP, without a source."""

import re
import sys
from collections.abc import Sequence
from pathlib import Path

from visus.apps.commands.options import (
    MODEL_HELP,
    add_runtime_argument,
    add_task_options,
    task_values,
)
from visus.apps.parsing import CommandError, CommandParser


class _Requests:
    """The properties of requests as a source: unrelated images."""

    still = True
    live = False
    rate = 0.0


def main(argv: list[str]) -> int:
    """Answer requests until Ctrl+C is pressed."""
    parser = CommandParser(
        "serve", "Answer POST /predict for programs, and show a page for people, without a source."
    )
    parser.add_argument(
        "models", metavar="model", nargs="+", help=f"{MODEL_HELP}; NAME=MODEL for a name of its own"
    )
    parser.add_argument(
        "--port",
        metavar="PORT",
        default="8080",
        help="8080 by default; HOST:PORT to accept other machines",
    )
    parser.add_argument(
        "--access-log",
        metavar="FILE",
        help="append a line for each request; - for standard error",
    )
    add_runtime_argument(parser)
    add_task_options(parser, "live")
    args = parser.parse_args(argv)
    named = _names(args.models)

    import cv2

    from visus.apps.inference.backends import usable_workers
    from visus.apps.inference.loading import load_model
    from visus.apps.live.serve.server import PageServer
    from visus.tasks.registry import task_spec

    # Images are computed side by side, each on one core.
    cv2.setNumThreads(1)
    models = [load_model(model, args.runtime, usable_workers()) for model in named.values()]
    values = task_values(args, models)
    sessions = {
        name: task_spec(model.metadata.task).configure(model, own, _Requests())
        for name, model, own in zip(named, models, values, strict=True)
    }
    page = PageServer(args.port, sessions, moving=False, access_log=args.access_log)
    print(f"visus: {page.url}", file=sys.stderr, flush=True)
    page.wait()
    return 0


def _names(words: Sequence[str]) -> dict[str, str]:
    """The models by the names that requests use: their own names, or those of their files.

    Raises:
        CommandError: If two models have the same name.
    """
    from visus.apps.live.sessions import public_name

    models: dict[str, str] = {}
    for word in words:
        found = re.fullmatch(r"([\w.-]+)=(.+)", word)
        if found is not None and not Path(word).exists():
            name, model = found[1], found[2]
        else:
            name, model = public_name(word), word
        if name in models:
            raise CommandError(
                f"{models[name]!r} and {model!r} are both named {name!r}; write NAME=MODEL"
            )
        models[name] = model
    return models
