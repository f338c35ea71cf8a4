"""visus compress: make a trained model smaller and faster, within a limit of its metric."""

from importlib.util import find_spec
from pathlib import Path

from visus.apps.parsing import CommandError, CommandParser


def main(argv: list[str]) -> int:
    """Search for the smallest model within the limit, and write it."""
    parser = CommandParser(
        "compress",
        "Make a trained model smaller and faster: channels are pruned, the rest learns from the "
        "unpruned model, and the result is quantised to int8. The smallest model is kept whose "
        "main metric on the validation data drops no more than --max-drop.",
    )
    parser.add_argument("model", help="a checkpoint, a run folder or latest")
    parser.add_argument(
        "--data", metavar="PATH", help="other data than it was trained with, of the same classes"
    )
    parser.add_argument(
        "--max-drop",
        metavar="NUMBER",
        type=float,
        default=0.01,
        help="by how much the metric, such as accuracy, may drop; 0.01 by default: one point",
    )
    parser.add_argument(
        "--speedup",
        metavar="FACTOR",
        type=float,
        help="stop at this speed relative to the original, instead of looking for a smaller one",
    )
    parser.add_argument(
        "--budget", metavar="TIME", default="30m", help="time of the whole search; 30m by default"
    )
    parser.add_argument(
        "--output",
        metavar="FILE",
        type=Path,
        help="the checkpoint; compressed.ckpt beside the model by default; the int8 file is "
        "written beside it, as .onnx",
    )
    args = parser.parse_args(argv)
    if not 0 <= args.max_drop < 1:
        raise CommandError(f"--max-drop {args.max_drop:g}: must be at least 0 and below 1")
    if args.speedup is not None and not 1 < args.speedup < 100:
        raise CommandError(f"--speedup {args.speedup:g}: must be above 1 and below 100")
    if args.output is not None and args.output.suffix != ".ckpt":
        raise CommandError(f"--output {args.output}: is a checkpoint; name a .ckpt file")

    if find_spec("torch_pruning") is None:
        raise CommandError('visus compress needs torch-pruning; pip install "visus[compress]"')
    from visus.apps.training.budget.clock import parse_budget

    budget = parse_budget(args.budget)

    from visus.apps.compress.run import compress
    from visus.apps.compress.search import Limits
    from visus.apps.outputs import check_outputs

    check_outputs({"--output": args.output}, [args.model, args.data])
    data = [] if args.data is None else ["--data", args.data]
    compress(args.model, data, args.output, Limits(args.max_drop, args.speedup, budget))
    return 0
