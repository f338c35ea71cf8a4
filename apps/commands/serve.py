"""visus serve: predict for images that are sent over HTTP, without a source."""

import sys

from visus.apps.commands.options import (
    MODEL_HELP,
    add_runtime_argument,
    add_task_options,
    task_values,
)
from visus.apps.parsing import CommandParser


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
    parser.add_argument("models", metavar="model", nargs="+", help=MODEL_HELP)
    parser.add_argument(
        "--port",
        metavar="PORT",
        default="8080",
        help="8080 by default; HOST:PORT to accept other machines",
    )
    add_runtime_argument(parser)
    add_task_options(parser, "live")
    args = parser.parse_args(argv)

    from visus.apps.inference.combined import combine
    from visus.apps.inference.loading import load_model
    from visus.apps.live.serve.server import PageServer
    from visus.tasks.registry import task_spec

    models = [load_model(name, args.runtime) for name in args.models]
    values = task_values(args, models)
    sessions = [
        task_spec(model.metadata.task).configure(model, own, _Requests())
        for model, own in zip(models, values, strict=True)
    ]
    page = PageServer(args.port, combine([session.model for session in sessions]), moving=False)
    print(f"visus: {page.url}", file=sys.stderr, flush=True)
    page.wait()
    return 0
