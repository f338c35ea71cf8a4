import subprocess
import sys

import onnx
from onnx import TensorProto, helper


def write_network(path):
    """A network that only turns pictures into floats."""
    shape = ["batch", 3, 4, 4]
    graph = helper.make_graph(
        [helper.make_node("Cast", ["images"], ["values"], to=TensorProto.FLOAT)],
        "cast",
        [helper.make_tensor_value_info("images", TensorProto.UINT8, shape)],
        [helper.make_tensor_value_info("values", TensorProto.FLOAT, shape)],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)]), path)


SIGNALLED = """
import gc, os, signal, sys
from pathlib import Path
from apps.networks import load_network

signal.signal(signal.SIGUSR1, lambda *_: print("handled"))
for _ in range(2):
    kept = [load_network(Path(sys.argv[1]), "openvino") for _ in range(2)]
    while kept:
        del kept[0]
        gc.collect()
        os.kill(os.getpid(), signal.SIGUSR1)
"""


def test_a_signal_after_a_network_is_gone_is_survived(tmp_path):
    write_network(tmp_path / "a.onnx")
    done = subprocess.run(
        [sys.executable, "-c", SIGNALLED, tmp_path / "a.onnx"], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout.split()) == (0, ["handled"] * 4), done.stderr
