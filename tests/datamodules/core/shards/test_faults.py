"""Bad input to shards: a clear error, and nothing is lost."""

import json

import pytest

from tests.datamodules.core.shards.test_round_trip import convert, module, write
from visus.apps.cli import main
from visus.datamodules.core.shards import writer
from visus.vision.errors import VisusError


@pytest.fixture
def shards(tmp_path):
    write("classification", "", tmp_path / "folder")
    return convert(tmp_path / "folder", tmp_path / "shards")


def test_a_damaged_image_is_named(shards, capsys):
    shard = shards / "train-000000.tar"
    data = bytearray(shard.read_bytes())
    data[600] ^= 1
    shard.write_bytes(data)
    assert main(["data", "check", str(shards)]) == 2
    assert "train-000000.tar are damaged; copy or convert" in capsys.readouterr().out
    with pytest.raises(VisusError, match=r"bytes 512 to \d+ of .*train-000000.tar are damaged"):
        module("classification", shards).plain_dataset("train")[0]


@pytest.mark.parametrize("name", ["records.bin", "samples.npy", "train-000000.tar"])
def test_a_truncated_file_is_named_before_training(shards, name, capsys):
    file = shards / name
    file.write_bytes(file.read_bytes()[:-7])
    with pytest.raises(VisusError, match=f"{name}: is missing, damaged or belongs to another"):
        module("classification", shards).splits  # noqa: B018
    assert main(["data", "check", str(shards)]) == 2
    assert name in capsys.readouterr().out


@pytest.mark.parametrize("name", ["records.bin", "samples.npy", "val-000000.tar"])
def test_a_missing_file_is_named(shards, name):
    (shards / name).unlink()
    with pytest.raises(VisusError, match=name):
        module("classification", shards).splits  # noqa: B018


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"format": 3}', "\x00", "[1, 2]"])
def test_an_index_that_is_none(shards, content):
    (shards / "shards.json").write_text(content)
    with pytest.raises(VisusError, match=r"shards.json: is not an index of shards"):
        module("classification", shards).splits  # noqa: B018


def test_an_index_of_a_later_format(shards):
    header = json.loads((shards / "shards.json").read_text())
    (shards / "shards.json").write_text(json.dumps({**header, "format": "visus shards 9"}))
    with pytest.raises(VisusError, match=r"has the format 'visus shards 9'"):
        module("classification", shards).splits  # noqa: B018


def test_data_of_another_task(shards):
    with pytest.raises(VisusError, match="holds classification data, not detection data"):
        module("detection", shards).splits  # noqa: B018


def test_classes_that_a_model_does_not_know(shards):
    with pytest.raises(VisusError, match=r"has the class '.*', which the model does not know"):
        module("classification", shards, class_names=["bird", "fish"]).splits  # noqa: B018


def test_another_hold_out_is_refused(shards):
    with pytest.raises(VisusError, match=r"was written with data.val_share 0.2 and data.fold 0"):
        module("classification", shards, fold=1).splits  # noqa: B018


def test_a_folder_that_is_not_empty_is_kept(shards, tmp_path, capsys):
    before = {path: path.read_bytes() for path in shards.iterdir()}
    words = ["data", "convert", str(tmp_path / "folder"), "--to", "shards", "--output", str(shards)]
    assert main(words) == 2
    assert "is not empty; name a new folder" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in shards.iterdir()} == before


def test_an_interrupted_conversion_leaves_nothing(tmp_path, monkeypatch):
    write("classification", "", tmp_path / "folder")
    monkeypatch.setattr(writer, "write_text", _interrupt)
    words = ["data", "convert", str(tmp_path / "folder"), "--to", "shards"]
    assert main([*words, "--output", str(tmp_path / "shards")]) == 130
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def _interrupt(*arguments):
    raise KeyboardInterrupt


def test_data_of_a_task_without_shards(tmp_path, capsys):
    from visus.datamodules.registry import data_spec

    data_spec("face_recognition").write_sample(tmp_path / "people")
    words = ["data", "convert", str(tmp_path / "people"), "--to", "shards"]
    assert main([*words, "--output", str(tmp_path / "shards")]) in (0, 2)
    data_spec("action").write_sample(tmp_path / "clips")
    words = ["data", "convert", str(tmp_path / "clips"), "--to", "shards"]
    assert main([*words, "--output", str(tmp_path / "other")]) == 2
    assert "holds action data, which cannot be written as shards" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["--to", "yolo", "--output", "out"]])
def test_shards_are_not_converted(shards, words, capsys):
    assert main(["data", "convert", str(shards), *words]) == 2
    assert "is in shards" in capsys.readouterr().err


def test_an_address_without_its_package(capsys):
    assert main(["data", "check", "nosuchstore://bucket/flowers"]) == 2
    assert "nosuchstore://bucket/flowers/shards.json" in capsys.readouterr().err


def test_another_hold_out_does_not_matter_where_all_samples_are_measured(shards):
    splits = module("classification", shards, fold=1, evaluate_all=True).splits
    assert len(splits["test"]) == len(splits["val"]) > 0


def test_what_a_conversion_leaves_out_is_named(tmp_path, capsys):
    write("classification", "", tmp_path / "folder")
    (first, *_) = sorted((tmp_path / "folder").rglob("*.png"))
    first.write_bytes(first.read_bytes()[:60])
    words = ["--to", "shards", "--output", str(tmp_path / "shards")]
    assert main(["data", "convert", str(tmp_path / "folder"), *words]) == 2
    out = capsys.readouterr().out
    assert "1 bad ones were left out" in out and first.name in out and "no problems" not in out
