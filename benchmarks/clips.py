"""Sampling clips: the throughput of 16 frames a clip, compared with that of the decoder alone.

The decoder alone reads every frame of every clip with OpenCV, on one thread, as images; or only
decodes them, without converting them to images. The sampler decodes up to the last frame of a
window of 16 frames that covers the clip, and converts and resizes these frames. CPU time is
measured, clip by clip in turn, as other processes share the cores. Then that of a window is
measured: from the video, from the cache of pixels, and from JPEG data as they could be cached.

Usage: python benchmarks/clips.py FOLDER
"""

import argparse
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import cv2

from visus.datamodules.action.files import Clip
from visus.datamodules.action.windows import Sampling
from visus.datamodules.core.videos.frame_cache import FrameCache
from visus.datamodules.core.videos.reading import VideoFrames
from visus.datamodules.core.videos.scanning import scan_videos
from visus.vision.freed_memory import keep_freed_memory
from visus.vision.image_files import VIDEO_EXTENSIONS
from visus.vision.images import Pixels
from visus.vision.videos.packets import open_container

FRAMES = 16
WINDOW = 8


def decode(clip: Clip, convert: bool) -> None:
    """Decode every frame of a clip, and convert each to an image or none."""
    capture = open_container(clip.path, cv2.CAP_PROP_N_THREADS, 1)
    while capture.read()[0] if convert else capture.grab():
        pass
    capture.release()


def sample(reader: VideoFrames, frames: int, clip: Clip) -> list[Pixels]:
    """Frames of a window as long as the clip."""
    return reader(clip, times_of(clip, frames))


def times_of(clip: Clip, frames: int) -> list[float]:
    """The times of a window as long as the clip, in seconds."""
    sampling = Sampling(frames, clip.seconds)
    (indices,) = sampling.covering_windows(sampling.grid_size(clip))
    return [sampling.time(clip, index) for index in indices]


def decode_jpeg(encoded: dict[Clip, list[Pixels]], clip: Clip) -> None:
    """Decode the JPEG data of a clip."""
    for data in encoded[clip]:
        cv2.imdecode(data, cv2.IMREAD_COLOR)


def durations(calls: dict[str, Callable[[Clip], object]], clips: list[Clip]) -> dict[str, float]:
    """Seconds of calling each function for every clip, in turn."""
    totals = dict.fromkeys(calls, 0.0)
    for clip in clips:
        for name, call in calls.items():
            start = time.process_time()
            call(clip)
            totals[name] += time.process_time() - start
    return totals


def main() -> None:
    """Print the throughputs, their ratios, and the time of a window."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="a folder of videos")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--size", type=int, default=224, help="side of the input in pixels")
    args = parser.parse_args()
    # As every training does.
    keep_freed_memory()
    cv2.setNumThreads(1)
    paths = sorted(p for p in args.folder.rglob("*") if p.suffix.lower() in VIDEO_EXTENSIONS)
    clips = [
        Clip(
            path, (), "", "", end=scan.seconds, last=scan.last_before(scan.seconds), size=scan.size
        )
        for path, scan in scan_videos(paths)
        if not scan.error
    ]
    empty, cache = FrameCache(0), FrameCache(2 * 10**9)
    uncached = VideoFrames(empty, (args.size, args.size), "crop", augmented=False)
    cached = VideoFrames(cache, (args.size, args.size), "crop", augmented=False)
    calls: dict[str, Callable[[Clip], object]] = {
        "sampling": partial(sample, uncached, FRAMES),
        "decoder, images": partial(decode, convert=True),
        "decoder, nothing else": partial(decode, convert=False),
    }
    rounds = [durations(calls, clips) for _ in range(args.rounds)]
    print(f"{len(clips)} clips, {FRAMES} frames each, medians of {args.rounds} rounds, one thread")
    for name in calls:
        rate = statistics.median(len(clips) / each[name] for each in rounds)
        ratio = statistics.median(each[name] / each["sampling"] for each in rounds)
        print(f"{name:<22} {rate:7.1f} clips/s; sampling has {ratio:.2f} of it")
    encoded = {c: [cv2.imencode(".jpg", f)[1] for f in sample(uncached, WINDOW, c)] for c in clips}
    cached.fill((clip, times_of(clip, WINDOW)) for clip in clips)
    stored: dict[str, Callable[[Clip], object]] = {
        "the video": partial(sample, uncached, WINDOW),
        "the cache of pixels": partial(sample, cached, WINDOW),
        "JPEG data": partial(decode_jpeg, encoded),
    }
    for name, value in durations(stored, clips).items():
        print(f"a window of {WINDOW} frames from {name}: {1000 * value / len(clips):.2f} ms")


if __name__ == "__main__":
    main()
