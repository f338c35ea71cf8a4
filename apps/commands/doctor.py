"""visus doctor: report the installation and its problems."""

import platform
import sys
from importlib.metadata import PackageNotFoundError, distribution, version

from visus.apps.parsing import CommandParser

_PACKAGES = (
    "visus",
    "torch",
    "torchvision",
    "pytorch-lightning",
    "timm",
    "albumentations",
    "opencv-python",
    "onnxruntime",
    "openvino",
    "pillow",
    "pillow-heif",
)


def main(argv: list[str]) -> int:
    """Print the state of the installation; exit code 1 where there is a problem."""
    CommandParser("doctor", "Report the installation and its problems.").parse_args(argv)
    problems: list[str] = []
    _title("versions")
    _line("python", f"{platform.python_version()} on {platform.platform()}")
    for name in _PACKAGES:
        _line(name, _version(name) or "not installed")
    _title("devices")
    _check_torch(problems)
    _title("OpenCV")
    _check_opencv(problems)
    _title("cameras")
    _check_cameras()
    _title("weights")
    from visus.tasks.registry import all_weights

    for entry in all_weights():
        _line(entry.name, entry.lacks or "available")
    _title("problems")
    for problem in problems:
        print(f"  {problem}")
    if not problems:
        print("  none")
    return 1 if problems else 0


def _check_torch(problems: list[str]) -> None:
    import os

    from visus.vision.cores import usable_cores

    try:
        import torch
    except ImportError as error:
        problems.append(f"torch cannot be imported ({error}); pip install torch torchvision")
        return
    usable = f"{usable_cores()} of {os.cpu_count()} cores may be used"
    _line("cpu", f"{usable}, torch uses {torch.get_num_threads()} threads")
    if torch.cuda.is_available():
        for i in range(torch.cuda.device_count()):
            _line(f"cuda {i}", torch.cuda.get_device_name(i))
    else:
        _line("cuda", "none; training runs on the CPU")
    try:
        import torchvision.ops

        torchvision.ops.nms(torch.zeros(0, 4), torch.zeros(0), 0.5)
    except (ImportError, RuntimeError) as error:
        problems.append(
            f"torchvision does not match torch ({str(error).splitlines()[0]}); "
            "pip install --force-reinstall torch torchvision from one index"
        )


def _check_opencv(problems: list[str]) -> None:
    try:
        import cv2
    except ImportError as error:
        problems.append(
            f"cv2 cannot be imported ({error}); on a server: apt install libgl1 libglib2.0-0, "
            "then pip install --force-reinstall opencv-python"
        )
        return
    from visus.apps.live.sinks.window import why_no_window, window_backend

    _line("version", cv2.__version__)
    backend = window_backend()
    _line("windows", backend or "none (headless build)")
    if not backend:
        problems.append(
            "OpenCV has no window support: opencv-python-headless overwrote opencv-python; "
            "pip install --force-reinstall --no-deps opencv-python"
        )
    reason = why_no_window()
    _line("display", reason or "available")
    both = _version("opencv-python"), _version("opencv-python-headless")
    if all(both):
        _line("packages", f"opencv-python {both[0]} and opencv-python-headless {both[1]}")
        if both[0] != both[1]:
            problems.append(
                f"opencv-python {both[0]} and opencv-python-headless {both[1]} share one folder "
                f"and differ; pip install --force-reinstall --no-deps opencv-python=={both[0]}"
            )
    information = cv2.getBuildInformation()
    readers = [
        name
        for name in ("FFMPEG", "GStreamer", "v4l/v4l2", "AVFoundation", "Media Foundation")
        if any(line.strip().startswith(name) and "YES" in line for line in information.splitlines())
    ]
    _line("codecs", ", ".join(readers) or "none")
    from visus.apps.live.sinks.encoders import plays_in_browsers

    browsers = "browsers play it"
    if not plays_in_browsers(".mp4"):
        browsers = (
            "MPEG-4 Part 2, which browsers do not play; install the ffmpeg program (apt install "
            "ffmpeg, brew install ffmpeg), or write .webm"
        )
    _line("written .mp4", browsers)
    if "FFMPEG" not in readers:
        problems.append("OpenCV has no FFmpeg, so most videos cannot be read or written")


def _check_cameras() -> None:
    from pathlib import Path

    if sys.platform != "linux":
        _line("cameras", "not listed on this system; try visus live imagenet 0")
        return
    found = sorted(Path("/dev").glob("video*"))
    for device in found:
        label = Path("/sys/class/video4linux", device.name, "name")
        _line(str(device), label.read_text().strip() if label.is_file() else "a video device")
    if not found:
        _line("cameras", "none (no /dev/video*)")


def _version(name: str) -> str | None:
    try:
        distribution(name)
    except PackageNotFoundError:
        return None
    return version(name)


def _title(text: str) -> None:
    print(text)


def _line(name: str, value: str) -> None:
    print(f"  {name:<20} {value}")
