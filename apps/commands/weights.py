"""visus weights: list and check ready-made weights."""

from pathlib import Path

from visus.apps.parsing import ActionParser, CommandParser


def main(argv: list[str]) -> int:
    """List all weights, or fetch those of one name and check their hash."""
    parser = CommandParser("weights", "List and check ready-made weights.")
    commands = parser.add_subparsers(dest="subcommand", required=True, parser_class=ActionParser)
    commands.add_parser("list", help="list all weights")
    get = commands.add_parser("get", help="fetch weights and check their hash")
    get.add_argument("name", help="a name or an alias from visus weights list")
    get.add_argument(
        "--from",
        dest="file",
        metavar="FILE",
        type=Path,
        help="a local copy, instead of downloading",
    )
    args = parser.parse_args(argv)

    from visus.tasks.registry import all_weights, find_weights
    from visus.vision.errors import VisusError

    if args.subcommand == "get":
        entry = find_weights(args.name)
        if entry is None:
            names = ", ".join(known.name for known in all_weights())
            raise VisusError(f"there are no weights {args.name!r}; known: {names}")
        path = entry.fetch(args.file) if args.file else entry.path()
        print(f"{path} (sha256 checked)")
        return 0
    for entry in all_weights():
        metric = f"  metric      {entry.metric}\n" if entry.metric else ""
        images = f"  input       {entry.input_size}\n" if entry.input_size else ""
        print(
            f"{', also '.join((entry.name, *entry.aliases))}\n"
            f"  weights     {entry.description}\n"
            f"  task        {f'{entry.task}, on ' if entry.task else ''}{entry.network}\n"
            f"{metric}"
            f"  size        {entry.megabytes:g} MB\n"
            f"{images}"
            f"  source      {entry.source}\n"
            f"  sha256      {entry.sha256}\n"
            f"  licence     {entry.code_licence}\n"
            f"  data        {entry.data_terms}\n"
            f"  commercial  {entry.commercial_use}\n"
            f"  offline     {f'no: {entry.lacks}' if entry.lacks else f'yes, {entry.find()}'}"
        )
    return 0
