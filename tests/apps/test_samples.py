"""Sample inputs, beside a user's own files."""

from pathlib import Path


def test_own_files_stay_as_they_are(visus, workplace):
    own = workplace / "photos" / "dog" / "rex.jpg"
    own.parent.mkdir(parents=True)
    own.write_bytes(b"rex")
    Path("cat.jpg").write_bytes(b"own")
    code, out, _ = visus("data", "samples")
    assert code == 0
    assert "cat.jpg: exists already, and stays as it is" in out
    assert "photos: exists already, and stays as it is" in out
    assert Path("cat.jpg").read_bytes() == b"own" and Path("clip.mp4").is_file()
    assert [path for path in Path("photos").rglob("*") if path.is_file()] == [
        own.relative_to(workplace)
    ]
    assert not [path for path in Path().rglob("*") if path.name.startswith(".samples")]
    code, out, _ = visus("data", "samples")
    assert code == 0 and out.count("stays as it is") > 10
