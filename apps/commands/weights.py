"""visus weights: list and check ready-made weights."""

from pathlib import Path

from visus.apps.cli import ActionParser, CommandParser


def main(argv: list[str]) -> int:
    """List the manifest, or find one entry's file and check its hash."""
    parser = CommandParser("weights", "List and check ready-made weights.")
    commands = parser.add_subparsers(dest="action", required=True, parser_class=ActionParser)
    commands.add_parser("list")
    get = commands.add_parser("get")
    get.add_argument("name")
    get.add_argument(
        "--from",
        dest="file",
        metavar="FILE",
        type=Path,
        help="a copy to take instead of downloading",
    )
    args = parser.parse_args(argv)

    from visus.tasks.registry import all_weights, find_weights
    from visus.vision.errors import VisusError

    if args.action == "get":
        entry = find_weights(args.name)
        if entry is None:
            names = ", ".join(known.name for known in all_weights())
            raise VisusError(f"weights {args.name!r} are not in the manifest; there are: {names}")
        path = entry.fetch(args.file) if args.file else entry.path()
        print(f"{path} (sha256 checked)")
        return 0
    for entry in all_weights():
        found = entry.find()
        print(
            f"{', also '.join((entry.name, *entry.aliases))}\n"
            f"  what        {entry.description}\n"
            f"  task        {f'{entry.task}, on ' if entry.task else ''}{entry.network}\n"
            f"  source      {entry.source}\n"
            f"  sha256      {entry.sha256}\n"
            f"  licence     {entry.code_licence}\n"
            f"  data        {entry.data_terms}\n"
            f"  commercial  {entry.commercial_use}\n"
            f"  at hand     {found or f'no; {entry.remedy}'}"
        )
    return 0
