import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from apps.networks import load_network


def write_network(path, shape=("batch", 3, 4, 4)):
    """A network that only turns pictures into floats."""
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


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_threads_share_a_network_and_it_takes_any_number_of_pictures(tmp_path, runtime):
    write_network(tmp_path / "a.onnx")
    network = load_network(tmp_path / "a.onnx", runtime, 3)
    assert network.lanes == 3
    batches = [np.full((1 + i % 4 // 3, 3, 4, 4), i, np.uint8) for i in range(60)]
    with ThreadPoolExecutor(3) as pool:
        for batch, (values,) in zip(batches, pool.map(network, batches), strict=True):
            np.testing.assert_array_equal(values, batch)


def test_in_openvino_one_thread_at_a_time_where_sizes_depend_on_the_picture(tmp_path):
    write_network(tmp_path / "a.onnx", (1, 3, "height", 4))
    network = load_network(tmp_path / "a.onnx", "openvino", 3)
    assert network.lanes == 1
    for height in (3, 5):
        picture = np.full((1, 3, height, 4), height, np.uint8)
        np.testing.assert_array_equal(network(picture)[0], picture)
