import pytest

from visus.apps.addresses import hide_secrets, is_stream, without_secrets


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("rtsp://admin:secret@10.0.0.7:554/live?token=secret", "rtsp://10.0.0.7:554/live"),
        ("http://secret@cam/stream.mjpg#secret", "http://cam/stream.mjpg"),
        ("https://u:se@cret@cam/x", "https://cam/x"),
        ("http://u:se/cret@cam:80/x", "http://cam:80/x"),
        ("http://u:se?cr#et@cam/x", "http://cam/x"),
        ("http://u:secret@[::1/x", "http://[::1/x"),
    ],
)
def test_addresses_are_shown_without_secrets(address, shown):
    assert is_stream(address) and without_secrets(address) == shown
    assert hide_secrets(f"{address!r}: no") == f"{shown!r}: no"


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("rtps://u:secret@h/x", "rtps://h/x"),
        ("rtsp:/user:secret@h/x", "rtsp:/h/x"),
        ("rtsp//user:secret@h/x", "rtsp//h/x"),
        ("admin:secret@10.0.0.7/live", "10.0.0.7/live"),
    ],
)
def test_misspelt_addresses_reveal_no_secret_anywhere(visus, given, shown):
    commands = (
        ["live", "imagenet", given, "--jsonl", "-"],
        ["predict", "imagenet", given],
        ["live", given, "clip.mp4", "--jsonl", "-"],
        ["live", "imagenet", "clip.mp4", given, "--jsonl", "-"],
        ["live", "imagenet", "0", "--serve", given],
        ["--debug", "predict", "imagenet", given],
    )
    for command in commands:
        code, out, err = visus(*command)
        assert code == 2 and "secret" not in out + err, command
    assert hide_secrets(f"x: {given}: no") == f"x: {shown}: no"


@pytest.mark.parametrize(
    "text",
    [
        "images/icon@2x.png: bad",
        "C:/a@b.png: bad",
        "C:/a/?.png: no",
        "a.png: me@home",
        "[::1]:80 a@b",
    ],
)
def test_file_names_are_shown_unchanged(text):
    assert hide_secrets(text) == text
