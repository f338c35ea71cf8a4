"""Wrong configurations and arguments: exit 2 and one line that names the key."""

import itertools
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from tests.reliability.counts import SOAK, count
from visus.apps.training.arguments import trainer_arguments

BASE = {
    "model": {
        "class_path": "visus.tasks.classification.task.ClassificationTask",
        "init_args": {"backbone": "lenet5"},
    },
    "data": {
        "class_path": "visus.datamodules.classification.arrays.ScenesClassificationData",
        "init_args": {"count": 16, "num_workers": 0},
    },
    "trainer": {"max_epochs": 1},
}
NO_NUMBER = ["abc", [1, 2], {"a": 1}, True, "2020-01-01", "null"]
NOT_FINITE = [float("nan"), float("inf"), -float("inf")]
NO_COUNT = [*NO_NUMBER, *NOT_FINITE, 1.5]
NO_FLAG = ["abc", [True], {"a": 1}, 7]
UNKNOWN = ["abc", 5, [1], {"a": 1}]
WRONG_VALUES = {
    "model.learning_rate": [*NO_NUMBER, *NOT_FINITE, 0, -1],
    "model.backbone_learning_rate": [*NO_NUMBER[:-1], *NOT_FINITE, 0, -1],
    "model.weight_decay": [*NO_NUMBER, *NOT_FINITE, -0.1],
    "model.warmup": [*NO_NUMBER, *NOT_FINITE, -0.1, 1.1],
    "model.freeze_epochs": [*NO_COUNT, -2],
    "model.freeze_batch_norm": NO_FLAG,
    "model.label_smoothing": [*NO_NUMBER, *NOT_FINITE, -0.1, 1],
    "model.dropout": [*NO_NUMBER, *NOT_FINITE, -0.1, 1],
    "model.mixup": [*NO_NUMBER, *NOT_FINITE, -1],
    "model.cutmix": [*NO_NUMBER, *NOT_FINITE, -1],
    "model.l1": [*NO_NUMBER, *NOT_FINITE, -1],
    "model.class_weights": UNKNOWN,
    "model.flip_at_test": NO_FLAG,
    "model.backbone": ["lenet6", [1], {"a": 1}],
    "model.backbone_options": ["abc", [1], 3],
    "model.pretrained": ["file.pth", True],
    "data.count": [*NO_COUNT, 0, -5, 10**30],
    "data.image_size": ["abc", 32, [32], [1, 2, 3], [0, 0], [-1, 5], [10**9, 10**9], [1.5, 2]],
    "data.multi_label": NO_FLAG,
    "data.seed": [*NO_COUNT, -1, 10**30],
    "data.batch_size": [*NO_COUNT, 0, -1, 10**30],
    "data.num_workers": [*NO_COUNT[:-5], -1, 10**6],
    "trainer.max_epochs": [*NO_COUNT[:5], 1.5, 0, -3],
    "trainer.max_steps": ["abc", [1], {"a": 1}, 1.5, 0, -3],
    "trainer.max_time": ["abc", "20s", "00:00:00:00", -5],
    "trainer.limit_train_batches": ["abc", [1], 0, -1, 1.5],
    "trainer.check_val_every_n_epoch": ["abc", [1], 1.5],
    "trainer.precision": ["abc", 17, "64-true", "bf16-true", "16-true"],
    "trainer.accelerator": ["abc", "gpu", "tpu"],
    "trainer.devices": [0, -3, "abc", 10**6],
    "trainer.strategy": ["abc"],
    "trainer.gradient_clip_val": ["abc", [1], -1, float("nan")],
    "trainer.fast_dev_run": ["abc", [1]],
    "trainer.callbacks": ["Nope", 3, "os.system", [{"class_path": "subprocess.Popen"}]],
    "trainer.logger": ["Nope", "os.system"],
    "trainer.profiler": ["abc"],
    "trainer.enable_checkpointing": [False, "abc"],
    "trainer": [3, [1], "abc", "null"],
    "model": [3, [1], "abc", "os.system"],
    "data": [3, [1]],
    "seed_everything": ["abc", [1], -1, 2**40],
    "optimizer": ["Nope", "os.system", "LBFGS", 3],
    "lr_scheduler": ["Nope", "StepLr", 3],
}
MISSPELT = {
    "model.bakbone": 1,
    "model.learning_rates": 1,
    "data.batchsize": 1,
    "data.cout": 1,
    "trainer.max_epoch": 1,
    "trainer.precison": 1,
    "modle.backbone": 1,
    "dataa.count": 1,
    "trainer2.max_epochs": 1,
    "optimiser": "SGD",
    "seed": 1,
}
BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "\n".join(
    f"{chr(98 + i)}: &{chr(98 + i)} [{', '.join(['*' + chr(97 + i)] * 10)}]" for i in range(8)
)
FILES = {
    b"": "empty",
    b"# only a comment\n": "empty",
    b"- model\n": "mapping",
    b"3\n": "mapping",
    b"\x89PNG\r\n\x1a\n\x00\xff": "byte 0",
    "trainer: {max_epochs: 1}\n".encode("utf-16"): "byte 0",
    b"trainer:\x00\n": "YAML",
    b"trainer:\n\tmax_epochs: 1\n": ":2",
    b"trainer: {max_epochs: 1\n": "YAML",
    b"trainer: [1, 2\nmodel: x\n": ":2",
    b"trainer: *missing\n": "missing",
    b"trainer: !!python/object/apply:os.system ['touch exploded']\n": "!!python/object/apply",
    b"trainer: {logger: !!python/name:os.system }\n": "!!python/name",
    b"model: !custom {class_path: x}\n": "!custom",
    b"data: !!binary aGVsbG8=\n": "!!binary",
    b"trainer: {max_epochs: 1}\ntrainer: {max_epochs: 2}\n": "'trainer'",
    b"trainer:\n  max_epochs: 1\n  max_epochs: 2\n": "'max_epochs'",
    b"? [a, b]\n: 1\n": "key",
    b"trainer: &t\n  callbacks: [*t]\n": "itself",
    BOMB.encode(): "values",
    b"trainer: " + b"[" * 200 + b"]" * 200: "deep",
    b"trainer: " + b"{a: " * 5000 + b"1" + b"}" * 5000: "deep",
    b"x" * 1_100_000: "bytes",
    b"trainers: {max_epochs: 1}\n": "did you mean trainer",
    b"ckpt_path: x\n": "ckpt_path",
}


def placed(key, value):
    """The base configuration with another value of a key."""
    config = yaml.safe_load(yaml.safe_dump(BASE))
    section, _, name = key.partition(".")
    value = None if value == "null" else value
    if not name:
        return config | {section: value}
    target = config.setdefault(section, {})
    target = target["init_args"] if "init_args" in target else target
    target[name] = value
    return config


def cases():
    """Wrong files, wrong values in files and on the command line, in an order by chance."""
    wrong = [(key, value) for key, values in WRONG_VALUES.items() for value in values]
    wrong += list(MISSPELT.items())
    made = [("file", content, word) for content, word in FILES.items()]
    made.append(("argument", ["--model.warmup"], "warmup"))
    made.append(("argument", ["--model.warmup", "--data.count", "8"], "warmup"))
    made.append(("argument", ["--model.backbone_options", "{nope: 1}"], "nope"))
    for (key, value), place in itertools.product(wrong, ("config", "argument")):
        section, _, name = key.partition(".")
        word = name if name and section in BASE else section
        if place == "config":
            made.append(("file", yaml.safe_dump(placed(key, value)).encode(), word))
        elif "." in key or not isinstance(value, list):
            text = value if isinstance(value, str) else yaml.safe_dump(value, width=999)
            text = text.removesuffix("\n").removesuffix("\n...")
            made.append(("argument", [f"--{key}", text], word))
    random.Random(0).shuffle(made)
    return made


@pytest.mark.filterwarnings("ignore")
def test_wrong_configurations_and_arguments_are_one_line(visus, workplace):
    chosen = cases()[: count(40, 10_000)]
    Path("base.yaml").write_text(yaml.safe_dump(BASE))
    failures, slowest = [], 0.0
    visus("fit", "--config", "base.yaml", "--trainer.max_epochs", "abc")
    for kind, content, word in chosen:
        arguments = ["--config", "base.yaml"]
        if kind == "file":
            Path("wrong.yaml").write_bytes(content)
            arguments = ["--config", "wrong.yaml"]
        else:
            arguments += content
        started = time.perf_counter()
        try:
            code, _, err = visus("fit", *arguments)
        except BaseException as error:
            failures.append((content[:300], repr(error)[:300]))
            continue
        slowest = max(slowest, time.perf_counter() - started)
        left = list(Path().glob("runs/*/*/*"))
        shutil.rmtree("runs", ignore_errors=True)
        if code != 2 or len(err.strip().splitlines()) != 1 or word not in err or left:
            failures.append((content[:300], word, code, err[-400:]))
    assert not failures, f"{len(failures)} of {len(chosen)}: " + "\n".join(map(str, failures))
    assert not Path("exploded").exists()
    print(f"{len(chosen)} wrong configurations and arguments, the slowest took {slowest:.2f} s")


@pytest.mark.skipif(not SOAK, reason="measures time")
def test_wrong_arguments_are_reported_within_the_import_of_lightning(workplace):
    def seconds(*command):
        started = time.perf_counter()
        subprocess.run([sys.executable, *command], capture_output=True)
        return time.perf_counter() - started

    (workplace / "base.yaml").write_text(yaml.safe_dump(BASE))
    visus = str(Path(sys.executable).with_name("visus"))
    wrong = (visus, "fit", "--config", "base.yaml", "--model.warmup", "abc")
    lightning = ("-c", "import pytorch_lightning.cli")
    limit = min(seconds(*lightning) for _ in range(3))
    took = min(seconds(*wrong) for _ in range(3))
    assert took < 1.5 * limit, f"{took:.2f} s, Lightning's import {limit:.2f} s"


def test_the_trainers_arguments_are_read_from_its_source():
    import inspect

    import pytorch_lightning as pl

    expected = tuple(inspect.signature(pl.Trainer.__init__).parameters)[1:]
    assert trainer_arguments() == expected
