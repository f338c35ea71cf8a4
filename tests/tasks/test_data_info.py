import subprocess
import sys
from dataclasses import asdict, fields
from pathlib import Path
from types import SimpleNamespace
from typing import get_type_hints

import pytest
import torch

from tests.tasks.overfit import trainer
from visus.datamodules.classification.arrays import ScenesClassificationData
from visus.tasks.checkpoints import load_task, read_checkpoint
from visus.tasks.classification.data_info import ClassificationInfo
from visus.tasks.classification.task import ClassificationTask
from visus.tasks.data_info import info_from_data, info_from_plain
from visus.tasks.plain_values import plain
from visus.tasks.registry import task_specs
from visus.vision.errors import VisusError

REQUIRED = {
    "class_names": ("a", "b"),
    "image_size": (32, 32),
    "in_channels": 3,
    "resize_mode": "stretch",
}
INCOMPLETE = """
from visus.datamodules.classification.data import ClassificationData

class Incomplete(ClassificationData):
    class_names = ("a", "b")
    image_size = (32, 32)
    in_channels = 3

    def __init__(self, batch_size: int = 4, num_workers: int = 0) -> None:
        super().__init__(batch_size, num_workers, "none")

    def dataset(self, split):
        raise AssertionError("it is refused before it is used")
"""


@pytest.mark.parametrize("missing", REQUIRED)
def test_a_missing_field_is_an_error_that_names_class_and_field(missing):
    data = SimpleNamespace(**{k: v for k, v in REQUIRED.items() if k != missing})
    with pytest.raises(VisusError, match=rf"SimpleNamespace .*'{missing}'.*ClassificationInfo"):
        info_from_data(ClassificationInfo, data)
    with pytest.raises(VisusError, match=rf"ClassificationInfo.*'{missing}'"):
        info_from_plain(ClassificationInfo, vars(data))


def test_optional_fields_have_defaults():
    info = info_from_data(ClassificationInfo, SimpleNamespace(**REQUIRED))
    assert asdict(info) == {
        **REQUIRED,
        "multi_label": False,
        "class_counts": None,
        "mirrors": True,
    }
    counted = SimpleNamespace(**REQUIRED, class_counts=[3, 4], unrelated=1)
    assert info_from_data(ClassificationInfo, counted).class_counts == (3, 4)


class Properties:
    class_names = ("a", "b")
    image_size = (32, 32)
    in_channels = 3

    @property
    def resize_mode(self):
        return self.misspelt

    @property
    def class_counts(self):
        return self.inner.class_counts

    inner = object()


def test_an_error_inside_a_property_is_not_taken_for_a_missing_field():
    with pytest.raises(VisusError, match=r"Properties\.resize_mode: .*'misspelt'"):
        info_from_data(ClassificationInfo, Properties())

    class Corrected(Properties):
        resize_mode = "stretch"

    # Optional, and of the same name as the attribute that its property does not find elsewhere.
    with pytest.raises(VisusError, match=r"Corrected\.class_counts: 'object' object has no"):
        info_from_data(ClassificationInfo, Corrected())


def test_a_task_without_data_info_is_refused():
    with pytest.raises(VisusError, match=r"ClassificationTask needs data_info, ClassificationInfo"):
        ClassificationTask(backbone="lenet5")


@pytest.mark.parametrize("name", task_specs())
def test_every_task_has_the_fields_that_all_tasks_need(name):
    info = task_specs()[name].data_info
    assert {field.name for field in fields(info)} >= REQUIRED.keys()
    # Its annotations can be resolved, as rebuilding it from a checkpoint needs.
    assert get_type_hints(info).keys() >= REQUIRED.keys()


def test_it_survives_a_checkpoint(tmp_path):
    data = ScenesClassificationData(8, (32, 32), multi_label=True, num_workers=0)
    info = info_from_data(ClassificationInfo, data)
    task = ClassificationTask(info, backbone="lenet5")
    fitted = trainer(max_steps=1, limit_val_batches=0)
    fitted.fit(task, data)
    fitted.save_checkpoint(tmp_path / "a.ckpt")
    stored = read_checkpoint(tmp_path / "a.ckpt")["visus"]["arguments"]["data_info"]
    assert stored == plain(info)
    assert info_from_plain(ClassificationInfo, {**stored, "of_a_later_version": 1}) == info
    loaded = load_task(tmp_path / "a.ckpt")
    assert loaded.hparams["data_info"] == info
    images = torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8)
    torch.testing.assert_close(loaded(images)[0], task.eval()(images)[0])


def test_the_command_line_refuses_an_incomplete_data_module_before_training(workplace):
    Path("incomplete_data.py").write_text(INCOMPLETE)
    command = [Path(sys.executable).with_name("visus"), "fit", "--config", "classification/scenes"]
    command += ["--data", "incomplete_data.Incomplete", "--allow-custom-classes"]
    # Of its own, as a process that once denied such classes stays strict.
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr == (
        "visus: Incomplete has no attribute 'resize_mode', which ClassificationInfo needs; "
        "define it in the data module\n"
    )
    assert not Path("runs").exists()
