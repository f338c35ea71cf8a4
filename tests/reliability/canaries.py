"""Malicious files: each would leave a mark, read a secret or fill the memory if it worked."""

import io
import json
import os
import pickle
import shutil
import sqlite3
import struct
import zipfile
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper
from PIL import Image
from skimage.data import astronaut

from visus.apps.inference.backends import METADATA_KEY
from visus.tasks.face_recognition.sqlite_gallery import SqliteGallery

FIXTURES = Path(__file__).parent.parent / "fixtures" / "format1"
MARK = "mark"
"""The file that code in a canary would create."""

SECRET = "the secret"


class Shell:
    """Runs a command when it is unpickled."""

    def __reduce__(self):
        return os.system, (f"touch {MARK}",)


class Evaluated:
    """Evaluates an expression when it is unpickled."""

    def __reduce__(self):
        return eval, (f"open({MARK!r}, 'w')",)


class Imported:
    """Imports a module of the current folder when it is unpickled."""

    def __reduce__(self):
        Path("own.py").write_text(f"def run(): open({MARK!r}, 'w')\n")
        import importlib

        return importlib.import_module, ("own",)


PAYLOADS = {"shell": Shell, "eval": Evaluated, "import": Imported}


def content():
    return torch.load(FIXTURES / "classification.ckpt", weights_only=True)


def rezip(data: bytes, path: Path, replaced: dict[str, bytes], compression=zipfile.ZIP_STORED):
    """Copy an archive of torch with some records replaced, by the end of their names."""
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(path, "w", compression) as new:
        for entry in old.infolist():
            given = [value for end, value in replaced.items() if entry.filename.endswith(end)]
            new.writestr(entry.filename, given[0] if given else old.read(entry))


def saved(value: object) -> bytes:
    file = io.BytesIO()
    torch.save(value, file)
    return file.getvalue()


def expanding(path: Path) -> None:
    """A GB of zeros in an archive of one MB."""
    data = saved({"state_dict": {"w": torch.zeros(4)}})
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as new:
        with zipfile.ZipFile(io.BytesIO(data)) as old:
            for entry in old.infolist():
                if not entry.filename.endswith("data/0"):
                    new.writestr(entry.filename, old.read(entry))
        with new.open("archive/data/0", "w", force_zip64=True) as file:
            for _ in range(100):
                file.write(bytes(10_000_000))


def checkpoint(kind: str, path: Path) -> None:
    """Write a malicious checkpoint."""
    whole = content()
    stored = whole["visus"]
    changed: dict[str, object] = {
        "non-text names": {**whole, "state_dict": {1: torch.zeros(2)}},
        "no tensors": {**whole, "state_dict": {"w": [1.0]}},
        "repeated": {**whole, "state_dict": {"w": torch.zeros(1).expand(10**6, 10**6)}},
        "sparse": {
            **whole,
            "state_dict": {"w": torch.sparse_coo_tensor([[0], [0]], [1.0], (10**6, 10**6))},
        },
        "hub": with_arguments(whole, backbone="hf-hub:evil/model"),
        "folder": with_arguments(whole, backbone="local-dir:/tmp"),
        "pretrained": with_arguments(whole, pretrained="evil.pth", backbone="evil.pth"),
        "argument": with_arguments(whole, os="system"),
        "task": {**whole, "visus": {**stored, "task": "../../evil"}},
        "class": {**whole, "visus": {**stored, "task": "os.system"}},
        "metadata": {**whole, "visus": {**stored, "mean": "os"}},
        "names": {**whole, "visus": {**stored, "class_names": 7}},
    }
    if kind in PAYLOADS:
        torch.save({**whole, "extra": PAYLOADS[kind]()}, path)
    elif kind == "pickle":
        path.write_bytes(pickle.dumps(Shell()))
    elif kind == "weights":
        torch.save({**whole, "state_dict": {"w": Shell()}}, path)
    elif kind == "legacy":
        torch.save({**whole, "x": Shell()}, path, _use_new_zipfile_serialization=False)
    elif kind == "record":
        rezip(saved(whole), path, {"data.pkl": pickle.dumps(Shell(), 2)})
    elif kind == "script":
        torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), path)
    elif kind == "expanding":
        expanding(path)
    elif kind == "deep":
        path.write_bytes(b"\x80\x02" + b"]" * 200_000 + b"a" * 199_999 + b".")
    else:
        torch.save(changed[kind], path)


def with_arguments(whole, **more):
    stored = whole["visus"]
    return {**whole, "visus": {**stored, "arguments": {**stored["arguments"], **more}}}


CHECKPOINTS = (
    *PAYLOADS, "pickle", "weights", "legacy", "record", "script", "expanding", "deep",
    "non-text names", "no tensors", "repeated", "sparse", "hub", "folder", "pretrained", "argument",
    "task", "class", "metadata", "names",
)  # fmt: skip


def weights(kind: str, path: Path) -> None:
    """Write a malicious file of weights."""
    if kind in PAYLOADS:
        torch.save({"conv1.weight": PAYLOADS[kind]()}, path)
    elif kind == "pickle":
        path.write_bytes(pickle.dumps(Shell()))
    elif kind == "expanding":
        expanding(path)
    elif kind == "not finite":
        torch.save({"w": torch.full((2,), float("nan"))}, path)
    elif kind == "repeated":
        torch.save({"w": torch.zeros(1).expand(10**6, 10**6)}, path)
    else:
        torch.save(torch.zeros(2), path)


WEIGHTS = (*PAYLOADS, "pickle", "expanding", "not finite", "repeated", "tensor")


def face_model(kind: str, folder: Path) -> Path:
    """Write a malicious face model."""
    path = folder / ("evil.mat" if kind.startswith("mat") else "evil.npz")
    if kind == "objects":
        np.savez(path, neutral=np.array([Shell()], object))
    elif kind == "expanding":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
            with new.open("neutral.npy", "w", force_zip64=True) as file:
                np.lib.format.write_array_header_1_0(
                    file, {"descr": "<f4", "fortran_order": False, "shape": (250_000_000,)}
                )
                for _ in range(100):
                    file.write(bytes(10_000_000))
    elif kind == "shape":
        with zipfile.ZipFile(path, "w") as new, new.open("neutral.npy", "w") as file:
            np.lib.format.write_array_header_1_0(
                file, {"descr": "<f4", "fortran_order": False, "shape": (10**12,)}
            )
    elif kind == "pickle":
        path.write_bytes(pickle.dumps(Shell()))
    elif kind == "links":
        with zipfile.ZipFile(path, "w") as new:
            new.writestr("../mark", b"x")
            new.writestr("/tmp/visus-mark", b"x")
    elif kind == "mat objects":
        from scipy.io import savemat

        savemat(path, {"shapeMU": np.array([[1, "a"]], object), "shapePC": np.zeros(2)})
    else:
        from scipy.io import savemat

        savemat(path, {"shapePC": np.zeros((9000, 9000))}, do_compression=True)
    return path


FACE_MODELS = (
    "objects", "expanding", "shape", "pickle", "links", "mat objects", "mat expanding"
)  # fmt: skip


def exported(kind: str, folder: Path) -> Path:
    """Write a malicious exported file."""
    path = folder / "evil.onnx"
    if kind == "program":
        path = folder / "evil.pte"
        path.write_bytes(pickle.dumps(Shell()))
        return path
    if kind.startswith("folder"):
        target = folder / "bundle"
        shutil.copytree(FIXTURES / "face_recognition_bundle", target)
        values = json.loads((target / "bundle.json").read_text())
        values |= {"format": 3, "network": "network.onnx", "networks": ["../../evil"]}
        if kind == "folder path":
            values |= {"networks": [], "network": str(FIXTURES / "classification.onnx")}
        (target / "bundle.json").write_text(json.dumps(values))
        return target
    model = onnx.load(FIXTURES / "classification.onnx")
    if kind.startswith("external"):
        place = {
            "external": str(Path(SECRET).resolve()),
            "external up": f"../{Path.cwd().name}/{SECRET}",
            "external link": "link",
            "external beside": SECRET,
        }[kind]
        if kind == "external link":
            Path("link").symlink_to(SECRET)
        tensor = model.graph.initializer[0]
        size = len(tensor.raw_data)
        Path(SECRET).write_bytes(b"\x01" * size)
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in (("location", place), ("offset", "0"), ("length", str(size))):
            tensor.external_data.add(key=key, value=value)
    elif kind == "operator":
        node = helper.make_node("Shell", ["images"], ["x"], domain="evil", command=f"touch {MARK}")
        model.graph.node.append(node)
        model.graph.output.append(helper.make_tensor_value_info("x", TensorProto.FLOAT, None))
    else:
        text = {"metadata": "os.system", "list": "[1]"}.get(kind, '{"format": 2, "task": "../x"}')
        helper.set_model_props(model, {METADATA_KEY: text})
    path.write_bytes(model.SerializeToString())
    return path


EXPORTED = (
    "external", "external up", "external link", "external beside", "operator", "metadata", "list",
    "task", "program", "folder", "folder path",
)  # fmt: skip


def gallery(kind: str, path: Path, model: str, size: int) -> None:
    """Write a gallery of another origin, with a person for any face."""
    face = np.zeros(size, np.float32)
    face[0] = 1
    made = SqliteGallery(path, model)
    made.enrol("Ann", face[None], "in writing", [], False)
    made.close()
    statement = {
        "trigger": "CREATE TRIGGER t AFTER INSERT ON faces BEGIN DELETE FROM people; END",
        "view": "CREATE VIEW more AS SELECT * FROM people",
        "index": "CREATE INDEX more ON people (consent)",
        "table": "CREATE TABLE more (x TEXT DEFAULT (hex(randomblob(9))))",
        "short": "UPDATE faces SET embedding = x'00'",
        "text": "UPDATE faces SET embedding = 'text'",
        "nan": f"UPDATE faces SET embedding = x'{'0000c07f' * size}'",
        "large": f"UPDATE faces SET embedding = x'{struct.pack('<f', 1e6).hex() * size}'",
        "expanding": "UPDATE faces SET embedding = zeroblob(600000000)",
        "name": "UPDATE people SET name = x'1b5b324a'",
        "threshold": "INSERT INTO facts VALUES ('threshold', 'nan'), ('far', '0')",
        "no model": "DELETE FROM facts WHERE key = 'model'",
    }[kind]
    with sqlite3.connect(path) as connection:
        connection.execute(statement)
    connection.close()


GALLERIES = (
    "trigger", "view", "index", "table", "short", "text", "nan", "large", "expanding", "name",
    "threshold", "no model",
)  # fmt: skip

PLAYLISTS = {
    "concat.mp4": "ffconcat version 1.0\nfile secret.mp4\n",
    "hls.mp4": "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nsecret.mp4\n#EXT-X-ENDLIST\n",
    "address.avi": "#EXTM3U\n#EXTINF:9,\nhttp://127.0.0.1:9/x.mp4\n#EXT-X-ENDLIST\n",
    "hls.m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nsecret.mp4\n#EXT-X-ENDLIST\n",
    "session.mp4": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\n"
    "m=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n",
}

CONFIGURATIONS = {
    "tag": f"!!python/object/apply:os.system ['touch {MARK}']\n",
    "tag inside": f"model: !!python/object/apply:os.system ['touch {MARK}']\n",
    "class": f"data:\n  class_path: os.system\n  init_args: {{command: touch {MARK}}}\n",
    "module": f"data:\n  class_path: subprocess.Popen\n  init_args: {{args: [touch, {MARK}]}}\n",
    "own": "data:\n  class_path: own.run\n",
    "callback": "trainer:\n  callbacks:\n  - class_path: own.run\n",
}


def portrait(path: Path) -> None:
    Image.fromarray(np.ascontiguousarray(astronaut()[:300, 80:380])).save(path)
