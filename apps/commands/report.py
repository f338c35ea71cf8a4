"""visus report: one page on a model's quality, errors, explanations, robustness and speed."""

from pathlib import Path

from visus.apps.parsing import CommandError, CommandParser

SECTIONS = ("quality", "errors", "explanations", "robustness", "speed")


def main(argv: list[str]) -> int:
    """Measure a model on its test data, and write a page."""
    parser = CommandParser(
        "report",
        "Measure a model on its test data, and write a page: quality, errors, explanations, "
        "robustness, speed.",
    )
    parser.add_argument("model", help="a checkpoint, a run folder, latest or faces")
    parser.add_argument(
        "--data",
        metavar="PATH",
        help="other data than it was trained with; options of the data "
        "module, such as --data.pairs FILE, are those of visus test",
    )
    parser.add_argument(
        "--output",
        metavar="FILE",
        type=Path,
        default=Path("report.html"),
        help="the page, report.html by default; the numbers are written beside it, as report.json",
    )
    parser.add_argument(
        "--sections",
        default=",".join(SECTIONS),
        help=f"some of {','.join(SECTIONS)}, separated by commas; all by default",
    )
    parser.add_argument(
        "--calibrate",
        action="store_true",
        help="fit a temperature on the validation data, and store it in the checkpoint",
    )
    own, options = _split(argv)
    args = parser.parse_args(own)
    sections = _sections(args.sections)
    _check_output(args.output, args.model, args.data)

    from visus.apps.report.write import write_report

    place = [] if args.data is None else ["--data", args.data]
    write_report(args.model, [*place, *options], args.output, sections, args.calibrate)
    return 0


def _split(argv: list[str]) -> tuple[list[str], list[str]]:
    """The arguments of this command, and those of the data module: `--data.pairs FILE`."""
    own, options = [], []
    words = iter(argv)
    for word in words:
        if not word.startswith("--data."):
            own.append(word)
            continue
        options.append(word)
        if "=" not in word:
            options += [next(words, "")]
    return own, options


def _sections(text: str) -> list[str]:
    """The chosen sections, in their order.

    Raises:
        CommandError: If one is unknown, or none is left.
    """
    chosen = [name.strip() for name in text.split(",") if name.strip()]
    for name in chosen:
        if name not in SECTIONS:
            raise CommandError(f"--sections {name!r}: choose from {', '.join(SECTIONS)}")
    if not chosen:
        raise CommandError(f"--sections {text!r}: names none; choose from {', '.join(SECTIONS)}")
    return [name for name in SECTIONS if name in chosen]


def _check_output(path: Path, model: str, data: str | None) -> None:
    """Refuse an output before anything is measured.

    Raises:
        CommandError: If it is not an HTML file, cannot be a file there, or would replace another
            file than a report.
        VisusError: If it is an address, the model, or cannot be written.
    """
    from visus.apps.outputs import check_outputs
    from visus.apps.report.numbers_file import is_report
    from visus.vision.output_files import refuse_unwritable

    if path.suffix.lower() not in {".html", ".htm"}:
        raise CommandError(f"--output {path}: is written as HTML; name a .html file")
    beside = path.with_suffix(".json")
    check_outputs({"--output": path}, [model, data])
    for each in (path, beside):
        if each.is_dir():
            raise CommandError(f"--output {path}: {each} is a folder; name another file")
    if path.exists() and not is_report(beside):
        raise CommandError(f"--output {path}: exists, and is not a report; name another file")
    if beside.exists() and not is_report(beside):
        raise CommandError(
            f"--output {path}: the numbers are written to {beside}, which exists and is not a "
            "report; name another file"
        )
    refuse_unwritable(path)
