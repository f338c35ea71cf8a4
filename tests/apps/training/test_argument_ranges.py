"""Every numeric argument of every task and data module has a range."""

import inspect
import re

import pytest

from visus.datamodules.registry import data_specs
from visus.datamodules.segmentation.downloads import DownloadedMaskData
from visus.tasks.ranges import ranges_of
from visus.tasks.registry import task_specs
from visus.vision.errors import VisusError

CHECKED_ELSEWHERE = {"finest_stride", "strides", "test_folds", "ignore"}
"""Arguments with a few allowed values, and those that the data limit."""

MODULES = [each for spec in data_specs().values() for each in spec.data_modules()]


def numeric(cls):
    """The numeric arguments of a class and of its base classes, with their annotations."""
    found = {}
    for base in cls.__mro__:
        for name, parameter in inspect.signature(base.__init__).parameters.items():
            text = str(parameter.annotation)
            if "visus" in str(base) and re.search(r"\b(int|float)\b", text):
                found.setdefault(name, text)
    return {name: text for name, text in found.items() if name not in CHECKED_ELSEWHERE}


def accepts(cls, name):
    parameters = inspect.signature(cls.__init__).parameters
    return name in parameters or "kwargs" in parameters


@pytest.mark.parametrize("spec", task_specs().values(), ids=lambda spec: spec.name)
def test_of_tasks(spec):
    task = spec.lightning_class()
    missing = set(numeric(task)) - set(ranges_of(task))
    assert not missing


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_of_data_modules(module):
    given = {"root": "x"} if "root" in inspect.signature(module).parameters else {}
    names = {k: v for k, v in numeric(module).items() if accepts(module, k)}
    if issubclass(module, DownloadedMaskData):
        # Fixed by the data set.
        del names["in_channels"]
    assert {"batch_size", "image_size"} <= set(names)
    for name, text in names.items():
        wrong = (-5, -5) if "tuple" in text else -5
        with pytest.raises(VisusError, match=name):
            module(**given, **{name: wrong})
