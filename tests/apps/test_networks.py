import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from apps.networks import PRECISION_KEY, load_network


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
from apps.networks import PRECISION_KEY, load_network

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


def test_regions_lie_where_they_lie_in_float32_whatever_the_network_computes_in(tmp_path):
    # A map whose values are columns, looked up beside a corner that bfloat16 would round.
    columns = np.tile(np.arange(256, dtype=np.float32) - 200, (1, 1, 4, 1))
    constants = {
        "map": columns,
        "corners": np.array([0.4, 0, 1.4, 1], np.float32),
        "picture": np.zeros(1, np.int64),
        "shape": np.array([1, 4]),
        "weights": np.ones((8, 1, 1, 1), np.float32),
    }
    nodes = [
        ("Cast", ["images"], ["floats"], {"to": TensorProto.FLOAT}),
        ("Reshape", ["floats", "shape"], ["pixels"], {}),
        ("Add", ["pixels", "corners"], ["regions"], {}),
        ("RoiAlign", ["map", "regions", "picture"], ["pooled"], {"sampling_ratio": 1}),
        ("Conv", ["pooled", "weights"], ["values"], {}),
    ]
    graph = helper.make_graph(
        [helper.make_node(kind, inputs, outputs, **more) for kind, inputs, outputs, more in nodes],
        "regions",
        [helper.make_tensor_value_info("images", TensorProto.UINT8, (1, 1, 2, 2))],
        [helper.make_tensor_value_info("values", TensorProto.FLOAT, (1, 8, 1, 1))],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    helper.set_model_props(model, {PRECISION_KEY: "bf16"})
    onnx.save(model, tmp_path / "a.onnx")
    network = load_network(tmp_path / "a.onnx", "openvino")
    outputs = network(np.array([[[[200, 0], [200, 0]]]], np.uint8))
    assert len(outputs) == 1
    np.testing.assert_allclose(outputs[0], 0.4, atol=0.01)
