"""One module a subcommand, imported only when it is called; each offers `main(argv) -> int`."""

HELP = {
    "fit": "train a network",
    "validate": "measure a model on its validation data",
    "test": "measure a model on its test data",
    "predict": "write a model's predictions for a data set",
    "infer": "run a model on pictures, folders or videos",
    "live": "run a model on a camera or a video, in a window or to a file",
    "export": "write a model as one ONNX file, or as a small checkpoint",
    "benchmark": "measure how fast a model runs in each runtime",
    "faces": "enrol, identify, verify and forget people",
    "backbones": "list networks, or walk through one layer by layer",
    "weights": "list and check ready-made weights",
    "data": "check a data set",
    "doctor": "report what is installed, and what is wrong with it",
    "demo": "train on digits, name photographs, show the pictures",
}
"""Every subcommand and what it does."""
