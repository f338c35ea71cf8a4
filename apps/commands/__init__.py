"""One module per subcommand with `main(argv) -> int`, imported when the command is called."""

HELP = {
    "fit": "train a network",
    "tune": "search for better arguments of a training, within a time budget",
    "validate": "measure a model on its validation data",
    "test": "measure a model on its test data",
    "report": "write a page on a model: quality, errors, explanations, robustness, speed",
    "predict": "run a model on images, folders or videos",
    "live": "run a model on a camera or a video, in a window or to a file",
    "serve": "answer images over HTTP",
    "export": "write a model as a file for a runtime, or as a small checkpoint",
    "compress": "make a model smaller and faster, within a limit of its accuracy",
    "benchmark": "measure how fast a model runs in each runtime",
    "inspect": "show a network layer by layer, in the terminal or as a page",
    "backbones": "list the networks that tasks can be built on",
    "weights": "list and fetch ready-made weights",
    "data": "check or convert a data set, or write samples",
    "doctor": "report the installation and its problems",
    "demo": "train on digits, classify photographs, show the results",
}
"""Every subcommand and its purpose."""

OTHER_NAMES = {
    "infer": "predict",
    "detect": "predict",
    "run": "predict",
    "train": "fit",
    "finetune": "fit",
    "val": "validate",
    "eval": "test",
    "evaluate": "test",
    "optimize": "tune",
    "sweep": "tune",
    "prune": "compress",
    "quantize": "compress",
    "check": "data check",
    "convert": "data convert",
    "summary": "inspect",
    "stream": "live",
    "camera": "live",
    "track": "live",
    "list": "backbones",
    "models": "backbones",
}
"""Commands of other tools, and their names here."""
