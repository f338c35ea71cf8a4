import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from visus.apps.inference.backends import PRECISION_KEY, load_network


def write(path, nodes, shape, outputs, constants=None, properties=None):
    """A network of (kind, inputs, outputs, attributes), from images `images` to `values`."""
    graph = helper.make_graph(
        [helper.make_node(kind, given, made, **more) for kind, given, made, more in nodes],
        "network",
        [helper.make_tensor_value_info("images", TensorProto.UINT8, shape)],
        [helper.make_tensor_value_info("values", TensorProto.FLOAT, outputs)],
        [numpy_helper.from_array(value, name) for name, value in (constants or {}).items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    helper.set_model_props(model, properties or {})
    onnx.save(model, path)


def write_network(path):
    """A network that only converts images to floats."""
    shape = ("batch", 3, 4, 4)
    write(path, [("Cast", ["images"], ["values"], {"to": TensorProto.FLOAT})], shape, shape)


SIGNALLED = """
import gc, os, signal, sys
from pathlib import Path
from visus.apps.inference.backends import load_network

signal.signal(signal.SIGUSR1, lambda *_: print("handled"))
for _ in range(2):
    networks = [load_network(Path(sys.argv[1]), "openvino") for _ in range(2)]
    while networks:
        del networks[0]
        gc.collect()
        os.kill(os.getpid(), signal.SIGUSR1)
"""


def test_a_signal_after_a_network_is_deleted_does_not_crash(tmp_path):
    write_network(tmp_path / "a.onnx")
    done = subprocess.run(
        [sys.executable, "-c", SIGNALLED, tmp_path / "a.onnx"], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout.split()) == (0, ["handled"] * 4), done.stderr


FIRST_AT_ONCE = """
import sys, threading
from pathlib import Path
import numpy as np
from visus.apps.inference.backends import load_network

network = load_network(Path(sys.argv[1]), "openvino", 3)
start = threading.Event()

def call():
    # All request Python's lock all the time, so that one gets it whenever another releases it.
    while not start.is_set():
        pass
    network(np.zeros((1, 3, 4, 4), np.uint8))

sys.setswitchinterval(1e-5)
threads = [threading.Thread(target=call) for _ in range(3)]
for thread in threads:
    thread.start()
start.set()
for thread in threads:
    thread.join()
"""


def test_the_first_requests_of_a_process_may_be_concurrent(tmp_path):
    write_network(tmp_path / "a.onnx")
    command = [sys.executable, "-c", FIRST_AT_ONCE, tmp_path / "a.onnx"]
    subprocess.run(command, check=True, timeout=60)


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_threads_share_a_network_and_it_takes_any_number_of_images(tmp_path, runtime):
    write_network(tmp_path / "a.onnx")
    network = load_network(tmp_path / "a.onnx", runtime, 3)
    batches = [np.full((1 + i % 4 // 3, 3, 4, 4), i, np.uint8) for i in range(60)]
    with ThreadPoolExecutor(3) as pool:
        for batch, (values,) in zip(batches, pool.map(network, batches), strict=True):
            np.testing.assert_array_equal(values, batch)


POSITIONS = [
    # One row with its position for each pixel that is not black.
    ("NonZero", ["images"], ["positions"], {}),
    ("Transpose", ["positions"], ["rows"], {}),
    ("Cast", ["rows"], ["floats"], {"to": TensorProto.FLOAT}),
]
FIRST_SIXTEEN = [
    ("Concat", ["floats", "nothing"], ["filled"], {"axis": 0}),
    ("Slice", ["filled", "zero", "sixteen", "zero"], ["first"], {}),
    ("Reshape", ["first", "shape"], ["fixed"], {}),
]


@pytest.mark.parametrize("rows", [None, 16])
def test_threads_share_a_network_whose_sizes_depend_on_the_image(tmp_path, rows):
    nodes = [*POSITIONS, *(FIRST_SIXTEEN if rows else [])]
    nodes.append(("MatMul", ["fixed" if rows else "floats", "weights"], ["values"], {}))
    constants = {
        "weights": np.eye(4, dtype=np.float32),
        "nothing": np.zeros((16, 4), np.float32),
        "zero": np.array([0]),
        "sixteen": np.array([16]),
        "shape": np.array([16, 4]),
    }
    write(tmp_path / "a.onnx", nodes, (1, 1, 4, 4), (rows or "n", 4), constants)
    network = load_network(tmp_path / "a.onnx", "openvino", 3)
    images = [np.full((1, 1, 4, 4), 7, np.uint8) for _ in range(60)]
    for i, image in enumerate(images):
        image[..., : i % 4] = 0
    with ThreadPoolExecutor(3) as pool:
        for image, (values,) in zip(images, pool.map(network, images), strict=True):
            positions = np.argwhere(image)
            np.testing.assert_array_equal(values[: len(positions)], positions)
            assert not values[len(positions) :].any()


def test_regions_are_exact_in_every_precision(tmp_path):
    # A map of column numbers, sampled at a corner that bfloat16 would round.
    nodes = [
        ("Cast", ["images"], ["floats"], {"to": TensorProto.FLOAT}),
        ("Reshape", ["floats", "shape"], ["pixels"], {}),
        ("Add", ["pixels", "corners"], ["regions"], {}),
        ("RoiAlign", ["map", "regions", "image"], ["pooled"], {"sampling_ratio": 1}),
        ("Conv", ["pooled", "weights"], ["values"], {}),
    ]
    constants = {
        "map": np.tile(np.arange(256, dtype=np.float32) - 200, (1, 1, 4, 1)),
        "corners": np.array([0.4, 0, 1.4, 1], np.float32),
        "image": np.zeros(1, np.int64),
        "shape": np.array([1, 4]),
        "weights": np.ones((8, 1, 1, 1), np.float32),
    }
    shapes = (1, 1, 2, 2), (1, 8, 1, 1)
    write(tmp_path / "a.onnx", nodes, *shapes, constants, {PRECISION_KEY: "bf16"})
    network = load_network(tmp_path / "a.onnx", "openvino")
    outputs = network(np.array([[[[200, 0], [200, 0]]]], np.uint8))
    assert len(outputs) == 1
    np.testing.assert_allclose(outputs[0], 0.4, atol=0.01)
