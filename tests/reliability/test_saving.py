"""Saving: a killed process, a full disk and flipped bits."""

import os
import random
from pathlib import Path

import pytest
import torch

from tests.reliability.counts import count
from visus.tasks.checkpoint_files import remove_partial_files, write_checkpoint
from visus.tasks.checkpoints import read_checkpoint
from visus.vision.errors import VisusError

FIXTURE = Path(__file__).parents[1] / "fixtures" / "format1" / "classification.ckpt"


def test_a_killed_process_leaves_a_complete_checkpoint(workplace, child, monkeypatch):
    """Half with temporary files on another file system, where renaming is copying."""
    rng = random.Random(0)
    path = workplace / "last.ckpt"
    memory = Path("/dev/shm")
    other = memory if memory.is_dir() and os.access(memory, os.W_OK) else workplace
    step = 0
    for kill in range(count(6, 200)):
        monkeypatch.setenv("TMPDIR", str(other if kill % 2 else workplace))
        code, output = child(
            "save_again_and_again", path=str(path), count=step, seconds=rng.uniform(0.02, 0.15)
        )
        assert code == -9, output
        if path.exists():
            checkpoint = torch.load(path, weights_only=True)
            assert checkpoint["step"] >= step - 1
            assert (checkpoint["state_dict"]["weights"] == checkpoint["step"]).all()
            step = checkpoint["step"] + 1
    assert step
    # What a killed process leaves is removed at the next start.
    remove_partial_files(workplace)
    assert [file.name for file in workplace.glob("*ckpt*")] == ["last.ckpt"]


def test_a_full_disk_leaves_the_earlier_checkpoint(workplace, monkeypatch):
    checkpoint = torch.load(FIXTURE, weights_only=True)
    path = workplace / "last.ckpt"
    write_checkpoint(checkpoint, path)
    before = path.read_bytes()
    for attempt in range(count(5, 20)):
        limit = int(len(before) * attempt / 20)
        with full_disk(monkeypatch, limit), pytest.raises(VisusError) as raised:
            write_checkpoint(checkpoint, path)
        assert path.read_bytes() == before
        message = str(raised.value)
        assert message.startswith(str(path)) and "No space left" in message, message
        assert "the earlier file is unchanged" in message and "bytes in" in message
        assert [file.name for file in workplace.iterdir()] == ["last.ckpt"]


def full_disk(monkeypatch, limit):
    """Files opened for writing take `limit` bytes, then the disk is full."""
    import builtins
    import errno

    real = builtins.open

    class Full:
        def __init__(self, file):
            self.file, self.written = file, 0

        def __getattr__(self, name):
            return getattr(self.file, name)

        def write(self, data):
            self.written += len(data)
            if self.written > limit:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return self.file.write(data)

        def __enter__(self):
            return self

        def __exit__(self, *error):
            self.file.close()

    def opened(file, mode="r", *arguments, **options):
        handle = real(file, mode, *arguments, **options)
        return Full(handle) if "w" in mode else handle

    context = monkeypatch.context()
    patch = context.__enter__()
    patch.setattr(builtins, "open", opened)

    class Restored:
        def __enter__(self):
            return self

        def __exit__(self, *error):
            context.__exit__(*error)

    return Restored()


def test_flipped_bits_are_refused(workplace):
    """Wherever a bit flips, the checkpoint is refused by name, or nothing that is read changes."""
    checkpoint = torch.load(FIXTURE, weights_only=True)
    write_checkpoint(checkpoint, workplace / "a.ckpt")
    data = (workplace / "a.ckpt").read_bytes()
    expected = read_checkpoint(workplace / "a.ckpt")
    rng, refused = random.Random(0), 0
    for _ in range(count(20, 400)):
        position = rng.randrange(len(data) * 8)
        flipped = bytearray(data)
        flipped[position // 8] ^= 1 << position % 8
        path = workplace / "b.ckpt"
        path.write_bytes(flipped)
        try:
            found = read_checkpoint(path)
        except VisusError as error:
            assert str(path) in str(error)
            refused += 1
        else:
            assert equal(found, expected)
    assert refused


def equal(first, second):
    """Whether two nested values with tensors are equal."""
    if isinstance(first, torch.Tensor):
        return torch.equal(first, second)
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(equal(first[k], second[k]) for k in first)
    if isinstance(first, list | tuple):
        return len(first) == len(second) and all(map(equal, first, second))
    return first == second


def test_weights_that_are_not_finite_are_neither_written_nor_read(workplace):
    checkpoint = torch.load(FIXTURE, weights_only=True)
    path = workplace / "a.ckpt"
    write_checkpoint(checkpoint, path)
    before = path.read_bytes()
    name = next(iter(checkpoint["state_dict"]))
    checkpoint["state_dict"][name].fill_(float("nan"))
    with pytest.raises(VisusError, match=f"a.ckpt: not written, .*{name}"):
        write_checkpoint(checkpoint, path)
    assert path.read_bytes() == before
    del checkpoint["visus"]["weights_digest"]
    torch.save(checkpoint, path)
    with pytest.raises(VisusError, match=f"a.ckpt: refused, .*{name}"):
        read_checkpoint(path)


def test_altered_weights_with_right_checksums_are_refused(workplace):
    path = workplace / "a.ckpt"
    write_checkpoint(torch.load(FIXTURE, weights_only=True), path)
    checkpoint = torch.load(path, weights_only=True)
    checkpoint["state_dict"][next(iter(checkpoint["state_dict"]))].mul_(1.001)
    torch.save(checkpoint, path)
    with pytest.raises(VisusError, match=r"a\.ckpt: damaged"):
        read_checkpoint(path)
