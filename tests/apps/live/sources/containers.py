"""Writes videos of JPEG images at any times, and damaged ones: what OpenCV's writer cannot."""

import struct
from itertools import pairwise

import cv2
import numpy as np

SIZE = 64, 48
"""(width, height) in pixels."""

UNEVEN = [*range(0, 1100, 100), 2500, 3500, 4500]
"""Times in milliseconds: ten frames/s, then one a second."""


def jpegs(count, size=SIZE):
    """Grey images, each brighter than the one before."""
    shape = (size[1], size[0], 3)
    images = (np.full(shape, 10 * i % 250, np.uint8) for i in range(count))
    return [cv2.imencode(".jpg", image)[1].tobytes() for image in images]


def write_cv(path, codec, frames=20, rate=10):
    """A video by OpenCV, of a constant rate."""
    code = cv2.VideoWriter.fourcc(*codec)
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, code, rate, SIZE)
    assert writer.isOpened()
    for i in range(frames):
        writer.write(np.full((SIZE[1], SIZE[0], 3), 10 * i % 250, np.uint8))
    writer.release()
    return path


def write_matroska(path, times, duration=None, frames=None, codec=b"V_MJPEG"):
    """Times and duration in milliseconds; a cluster of its own for each frame."""

    def element(name, content):
        return name + (len(content) | 1 << 56).to_bytes(8, "big") + content

    def number(name, value):
        return element(name, value.to_bytes(8, "big"))

    info = number(b"\x2a\xd7\xb1", 1_000_000)
    if duration is not None:
        info += element(b"\x44\x89", struct.pack(">d", duration))
    video = element(b"\xe0", number(b"\xb0", SIZE[0]) + number(b"\xba", SIZE[1]))
    track = number(b"\xd7", 1) + number(b"\x73\xc5", 1) + number(b"\x83", 1)
    track += element(b"\x86", codec) + video
    body = element(b"\x15\x49\xa9\x66", info)
    body += element(b"\x16\x54\xae\x6b", element(b"\xae", track))
    for time, frame in zip(times, frames or jpegs(len(times)), strict=True):
        block = element(b"\xa3", b"\x81\0\0\x80" + frame)
        body += element(b"\x1f\x43\xb6\x75", number(b"\xe7", time) + block)
    head = element(b"\x1a\x45\xdf\xa3", element(b"\x42\x82", b"matroska"))
    path.write_bytes(head + element(b"\x18\x53\x80\x67", body))
    return path


def write_mp4(path, times, rotated=False, hidden=0, edited=False, fragmented=False, first=True):
    """Times in milliseconds; the last frame lasts 100.

    Args:
        path: The file.
        times: Of the frames.
        rotated: Whether it is to be shown turned by 90 degrees clockwise.
        hidden: Number of frames at the start that an edit list leaves out.
        edited: Whether there is an edit list that leaves nothing out.
        fragmented: Whether each frame is a fragment.
        first: Whether the tables come before the frames.
    """

    def box(name, *parts):
        content = b"".join(parts)
        return struct.pack(">I4s", 8 + len(content), name) + content

    def full(name, flags, *parts):
        return box(name, struct.pack(">I", flags), *parts)

    def numbers(*values):
        return struct.pack(f">{len(values)}I", *values)

    frames = jpegs(len(times))
    durations = [later - time for time, later in pairwise([*times, times[-1] + 100])]
    total = 0 if fragmented else sum(durations)
    turned = (0, 0x10000, 0, 0xFFFF0000, 0, 0, SIZE[1] << 16, 0, 0x40000000)
    straight = (0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
    matrix = numbers(*(turned if rotated else straight))
    clock = bytes(8) + numbers(1000, total)
    entry = bytes(6) + b"\0\1" + bytes(16) + struct.pack(">HH", *SIZE)
    entry += numbers(0x480000, 0x480000, 0) + b"\0\1" + bytes(32) + b"\0\x18\xff\xff"
    described = full(b"stsd", 0, numbers(1), box(b"jpeg", entry))

    def moov(offset):
        pairs = [] if fragmented else [(1, duration) for duration in durations]
        sizes = [] if fragmented else [len(frame) for frame in frames]
        chunk = numbers(1, 1, len(sizes), 1) if sizes else numbers(0)
        table = box(
            b"stbl",
            described,
            full(b"stts", 0, numbers(len(pairs)), *(numbers(*pair) for pair in pairs)),
            full(b"stsc", 0, chunk),
            full(b"stsz", 0, numbers(0, len(sizes), *sizes)),
            full(b"stco", 0, numbers(1, offset) if sizes else numbers(0)),
        )
        kept = sum(durations[hidden:])
        edits = box(b"edts", full(b"elst", 0, numbers(1, kept, sum(durations[:hidden]), 0x10000)))
        shape = matrix + numbers(SIZE[0] << 16, SIZE[1] << 16)
        reference = box(b"dinf", full(b"dref", 0, numbers(1), full(b"url ", 1)))
        track = box(
            b"trak",
            full(b"tkhd", 3, bytes(8), numbers(1, 0, total), bytes(16), shape),
            edits if hidden or edited else b"",
            box(
                b"mdia",
                full(b"mdhd", 0, clock, b"\x55\xc4\0\0"),
                full(b"hdlr", 0, bytes(4), b"vide", bytes(12), b"\0"),
                box(b"minf", full(b"vmhd", 1, bytes(8)), reference, table),
            ),
        )
        movie = full(
            b"mvhd", 0, clock, numbers(0x10000), b"\1\0", bytes(10),
            numbers(*straight), bytes(24), numbers(2),
        )  # fmt: skip
        extends = box(b"mvex", full(b"trex", 0, numbers(1, 1, 0, 0, 0)))
        return box(b"moov", movie, track, extends if fragmented else b"")

    head = box(b"ftyp", b"isom", bytes(4), b"isom")
    if fragmented:
        data = head + moov(0)
        for i, (frame, time) in enumerate(zip(frames, times, strict=True)):
            run = numbers(1, 0, durations[i], len(frame))
            parts = full(b"tfhd", 0x020000, numbers(1)), full(b"tfdt", 0, numbers(time))
            size = 8 + 16 + 8 + sum(map(len, parts)) + 12 + len(run)
            run = numbers(1, size + 8, durations[i], len(frame))
            traf = box(b"traf", *parts, full(b"trun", 0x301, run))
            data += box(b"moof", full(b"mfhd", 0, numbers(i + 1)), traf)
            data += box(b"mdat", frame)
    elif first:
        tables = moov(len(head) + len(moov(0)) + 8)
        data = head + tables + box(b"mdat", b"".join(frames))
    else:
        data = head + box(b"mdat", b"".join(frames)) + moov(len(head) + 8)
    path.write_bytes(data)
    return path


def write_avi(path, times, interval=100):
    """Times in milliseconds, multiples of the interval; between frames there are empty chunks."""

    def chunk(name, content):
        return name + struct.pack("<I", len(content)) + content + bytes(len(content) % 2)

    frames = dict(zip(times, jpegs(len(times)), strict=True))
    slots = range(0, times[-1] + interval, interval)
    body, index = b"movi", b""
    for slot in slots:
        frame = frames.get(slot, b"")
        index += b"00dc" + struct.pack("<III", 0x10, len(body), len(frame))
        body += chunk(b"00dc", frame)
    width, height = SIZE
    main = struct.pack(
        "<14I", 1000 * interval, 0, 0, 0x10, len(slots), 0, 1, 0, width, height, *[0] * 4
    )
    stream = b"vidsMJPG" + struct.pack("<10I", 0, 0, 0, interval, 1000, 0, len(slots), 0, 0, 0)
    stream += struct.pack("<4H", 0, 0, width, height)
    shape = struct.pack("<IiiHH4sIiiII", 40, width, height, 1, 24, b"MJPG", 0, 0, 0, 0, 0)
    track = chunk(b"LIST", b"strl" + chunk(b"strh", stream) + chunk(b"strf", shape))
    head = chunk(b"LIST", b"hdrl" + chunk(b"avih", main) + track)
    whole = b"AVI " + head + chunk(b"LIST", body) + chunk(b"idx1", index)
    path.write_bytes(chunk(b"RIFF", whole))
    return path
