"""Shards at an address: read by ranges, with the index copied once."""

import os
import threading
import time

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.staticfiles import StaticFiles

from tests.datamodules.core.shards.test_round_trip import assert_equal, convert, module, write
from visus.apps.cli import main
from visus.vision.errors import VisusError


@pytest.fixture
def address(tmp_path):
    """The address of a server of the files in `tmp_path/served`."""
    (tmp_path / "served").mkdir()
    app = Starlette()
    app.mount("/", StaticFiles(directory=tmp_path / "served"))
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join()


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("VISUS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_samples_over_http_are_those_of_the_folder(address, cache, tmp_path):
    write("detection", "", tmp_path / "folder")
    convert(tmp_path / "folder", tmp_path / "served" / "boxes")
    remote = module("detection", f"{address}/boxes")
    local = module("detection", tmp_path / "folder")
    for split in ("train", "val"):
        expected, got = local.plain_dataset(split), remote.plain_dataset(split)
        assert len(got) == len(expected)
        for i in range(len(got)):
            assert_equal(got[i], expected[i])
    copies = sorted(path.name for path in (cache / "shards").rglob("*") if path.is_file())
    assert copies == ["records.bin", "samples.npy"]


def test_loading_processes_read_over_http(address, cache, tmp_path):
    write("classification", "", tmp_path / "folder")
    convert(tmp_path / "folder", tmp_path / "served" / "photos")
    data = module("classification", f"{address}/photos")
    # The main process has a connection before the others are forked.
    data.plain_dataset("val")[0]
    data.num_workers = 2
    batches = list(data.val_dataloader())
    assert sum(len(batch["image"]) for batch in batches) == len(data.splits["val"])


def test_a_copied_index_is_used_again_and_a_damaged_one_replaced(address, cache, tmp_path):
    write("classification", "", tmp_path / "folder")
    convert(tmp_path / "folder", tmp_path / "served" / "photos")
    assert main(["data", "check", f"{address}/photos"]) == 0
    copy = next(cache.rglob("records.bin"))
    time_before = os.stat(copy).st_mtime_ns
    assert main(["data", "check", f"{address}/photos"]) == 0
    assert os.stat(copy).st_mtime_ns == time_before
    content = copy.read_bytes()
    copy.write_bytes(content[:-3])
    assert main(["data", "check", f"{address}/photos"]) == 0
    assert copy.read_bytes() == content


def test_a_missing_address(address, cache):
    with pytest.raises(VisusError, match=r"/none/shards.json: there is no such file"):
        module("classification", f"{address}/none").splits  # noqa: B018


def test_a_server_that_does_not_answer(cache):
    with pytest.raises(VisusError, match=r"127.0.0.1:9/x/shards.json: cannot be read"):
        module("classification", "http://127.0.0.1:9/x").splits  # noqa: B018
