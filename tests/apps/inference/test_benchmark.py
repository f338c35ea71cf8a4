"""visus benchmark: latency, throughput, memory and cold start of each runtime."""

from visus.vision.cores import usable_cores


def test_every_runtime_is_measured_on_one_core_and_on_all(visus, photos, model):
    code, out, err = visus("benchmark", model[1], photos, "--seconds", "0.1s")
    assert code == 0, err
    rows = [line.split("│")[1:-1] for line in out.splitlines() if line.startswith("│")]
    measured = {(row[0].strip(), int(row[2])): row for row in rows}
    for cores in {1, usable_cores()}:
        torch, onnx = (
            [float(cell) for cell in measured[runtime, cores][3:8]]
            for runtime in ("torch", "onnxruntime")
        )
        # An exported file needs no torch: less memory, and a faster cold start.
        assert onnx[3] < 0.7 * torch[3] and onnx[4] < torch[4]
        for median, p95, rate, memory, _ in (torch, onnx):
            assert 0 < median <= p95 and memory > 20
            # Half of the images take the median, rounded here, or longer.
            assert 0 < rate <= 2000 / (median - 0.05)
    assert [row[0].strip() for row in rows if "visus live" in row[-1]] == ["torch"]


def test_errors_come_before_any_measurement(visus, model):
    code, _, err = visus("benchmark", model[0], "nothing.mp4", "--seconds", "0.1s")
    assert code == 2 and "there is no such file" in err
    assert visus("benchmark", "nothing")[0] == 2
    # Before anything is exported or loaded for long.
    code, _, err = visus("benchmark", "imagenet", "nothing.mp4")
    assert code == 2 and "imagenet in" not in err and "there is no such file" in err
