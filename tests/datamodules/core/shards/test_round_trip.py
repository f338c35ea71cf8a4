"""A data set in shards equals the folder that it was made from, for every task and layout."""

import json
import pickle
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.training import train_in
from visus.apps.cli import main
from visus.datamodules.core.shards.index import ShardIndex
from visus.datamodules.registry import data_spec, data_specs, recognise

ABLE = [spec.task for spec in data_specs().values() if "shards" in spec.conversions]
LAYOUTS = [(task, "") for task in ABLE] + [
    (task, name)
    for task in ABLE
    for name in data_spec(task).sample_layouts()
    # The shards hold images.
    if name != "clips"
]


def write(task, layout, folder):
    spec = data_spec(task)
    (spec.sample_layouts()[layout] if layout else spec.write_sample)(folder)


def convert(folder, output, *words):
    assert (
        main(["data", "convert", str(folder), "--to", "shards", "--output", str(output), *words])
        == 0
    )
    return output


def module(task, root, **arguments):
    return data_spec(task).data_modules()[0](root=str(root), num_workers=0, **arguments)


def assert_equal(first, second):
    """Two samples of a data set, but for where they lie."""
    assert first.keys() == second.keys()
    for key, value in first.items():
        other = second[key]
        if key == "source":
            assert Path(value).name == Path(other).name
        elif isinstance(value, torch.Tensor):
            assert torch.equal(value, other)
        elif isinstance(value, np.ndarray):
            assert np.array_equal(value, other)
        elif key == "truth" and hasattr(value, "boxes"):
            assert np.array_equal(value.boxes, other.boxes)
            assert np.array_equal(value.class_ids, other.class_ids)
            assert np.array_equal(value.ignored, other.ignored)
            assert np.array_equal(value.areas, other.areas)
            assert value.masks == other.masks
        else:
            assert value == other


@pytest.mark.parametrize(("task", "layout"), LAYOUTS)
def test_samples_are_those_of_the_folder(task, layout, tmp_path):
    write(task, layout, tmp_path / "folder")
    convert(tmp_path / "folder", tmp_path / "shards", "--task", task)
    arguments = {"min_count": 1} if task == "captioning" else {}
    if task == "detection" and not layout:
        arguments["masks"] = True
    folder = module(task, tmp_path / "folder", **arguments)
    shards = module(task, tmp_path / "shards", **arguments)
    assert shards.class_names == folder.class_names
    assert shards.image_size == folder.image_size
    for name in ("class_counts", "class_colours", "multi_label", "anchors"):
        assert getattr(shards, name, None) == getattr(folder, name, None)
    for split in ("train", "val", "test"):
        expected, got = folder.plain_dataset(split), shards.plain_dataset(split)
        assert len(got) == len(expected) > 0
        for i in range(len(expected)):
            assert_equal(got[i], expected[i])
            assert got.index(got.name(i)) == i
            assert np.array_equal(got.image(i), expected.image(i))


@pytest.mark.parametrize(("task", "layout"), LAYOUTS)
def test_files_in_shards_are_those_of_the_folder_byte_by_byte(task, layout, tmp_path):
    write(task, layout, tmp_path / "folder")
    convert(tmp_path / "folder", tmp_path / "shards")
    stored = {}
    for shard in (tmp_path / "shards").glob("*.tar"):
        with tarfile.open(shard) as tar:
            for member in tar:
                key, _, ending = member.name.partition(".")
                stored.setdefault(key, {})[ending] = tar.extractfile(member).read()
    originals = {file.read_bytes() for file in (tmp_path / "folder").rglob("*") if file.is_file()}
    index = ShardIndex(str(tmp_path / "shards"))
    assert len(stored) == len(index)
    for number in range(len(index)):
        files = stored[f"{number:09d}"]
        assert files.pop("json") == index.record(number)
        assert files and originals.issuperset(files.values())


def test_webdataset_reads_the_shards(tmp_path):
    import webdataset

    write("segmentation", "", tmp_path / "folder")
    convert(tmp_path / "folder", tmp_path / "shards")
    shards = sorted(str(path) for path in (tmp_path / "shards").glob("train-*.tar"))
    samples = list(webdataset.WebDataset(shards, shardshuffle=False).decode("rgb8"))
    data = module("segmentation", tmp_path / "folder").plain_dataset("train")
    assert len(samples) == len(data)
    for sample, i in zip(samples, range(len(data)), strict=True):
        assert np.array_equal(sample["png"], data.image(i))
        assert sample["json"]["path"] == f"images/{Path(data.name(i)).name}"
        assert "mask.png" in sample


def test_no_path_of_this_machine_is_in_the_shards(tmp_path):
    for task in ABLE:
        write(task, "", tmp_path / task)
        convert(tmp_path / task, tmp_path / "shards" / task)
    for file in (tmp_path / "shards").rglob("*"):
        if file.is_file():
            assert str(tmp_path).encode() not in file.read_bytes()


@pytest.mark.parametrize("task", ABLE)
def test_several_shards_of_each_split(task, tmp_path, monkeypatch):
    from visus.datamodules.core.shards import writer

    monkeypatch.setattr(writer, "SHARD_BYTES", 20_000)
    write(task, "", tmp_path / "folder")
    convert(tmp_path / "folder", tmp_path / "shards")
    header = ShardIndex(str(tmp_path / "shards")).header
    assert len(header.shards) > 2
    assert [name for name in header.shards if name.startswith("train-")] == sorted(
        path.name for path in (tmp_path / "shards").glob("train-*.tar")
    )
    arguments = {"min_count": 1} if task == "captioning" else {}
    data = module(task, tmp_path / "shards", **arguments).plain_dataset("train")
    assert [data[i]["source"] for i in range(len(data))]


def test_samples_in_another_process(tmp_path):
    write("classification", "", tmp_path / "folder")
    convert(tmp_path / "folder", tmp_path / "shards")
    data = module("classification", tmp_path / "shards").plain_dataset("val")
    data[0]
    packed = pickle.dumps(data)
    # The index is mapped anew there, not copied.
    assert len(packed) < 20_000
    assert_equal(pickle.loads(packed)[0], data[0])


def test_the_task_is_recognised(tmp_path, capsys):
    for task in ABLE:
        write(task, "", tmp_path / task)
        convert(tmp_path / task, tmp_path / "shards" / task)
        assert recognise(str(tmp_path / "shards" / task))[0].task == task
        capsys.readouterr()
        assert main(["data", "check", str(tmp_path / "shards" / task)]) == 0
        assert f"{task} data" in capsys.readouterr().out


def test_a_record_is_json_of_the_labels(tmp_path):
    write("classification", "splits", tmp_path / "folder")
    convert(tmp_path / "folder", tmp_path / "shards")
    record = json.loads(ShardIndex(str(tmp_path / "shards")).record(0))
    assert set(record) == {"file", "labels", "split", "content", "size", "group"}
    assert record["split"] == "train"
    assert record["file"].startswith("train/")


def test_a_training_has_the_same_weights_as_with_the_folder(tmp_path, monkeypatch):
    write("classification", "", tmp_path / "folder")
    convert(tmp_path / "folder", tmp_path / "shards")
    monkeypatch.chdir(tmp_path)
    weights = []
    for data in ("folder", "shards"):
        words = f"--data {data} --model.backbone convnet --model.pretrained false"
        words += " --data.image_size [32,32] --data.batch_size 4 --data.num_workers 1"
        run = train_in(tmp_path, *words.split(), *"--trainer.max_epochs 2".split())
        assert main(["test", str(run), "--data", str(tmp_path / data)]) == 0
        stored = torch.load(run / "last.ckpt", weights_only=True)
        assert stored["visus"]["data"]["init_args"]["root"] == data
        weights.append(stored["state_dict"])
    first, second = weights
    assert all(torch.equal(value, second[name]) for name, value in first.items())
