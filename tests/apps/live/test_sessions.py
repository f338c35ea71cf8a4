"""The names of models for the clients of a server."""

from types import SimpleNamespace

from visus.apps.live.sessions import public_name, sessions_of_page
from visus.tasks.options import Session


def test_names_do_not_tell_where_files_lie(tmp_path):
    (tmp_path / "bundle").mkdir()
    names = ("imagenet", "runs/a/model.onnx", "runs/b/model.onnx", str(tmp_path / "bundle"))
    models = [SimpleNamespace(name=name) for name in names]
    sessions = sessions_of_page([[Session(model) for model in models]])
    assert list(sessions) == ["imagenet", "model", "model-2", "bundle"]
    assert public_name("latest") == "latest"
