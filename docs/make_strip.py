"""Generate docs/images/strip.png, from images to the live window: docs/make_strip.py."""

import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

STRIP = Path(__file__).parent.resolve() / "images" / "strip.png"
VISUS = str(Path(sys.executable).with_name("visus"))
_WIDTH, _HEIGHT, _HEAD, _GAP = 460, 330, 34, 14
_FONTS = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
_INK, _PAPER, _PROMPT = (225, 230, 235), (24, 26, 32), (120, 200, 120)


def font(size: int, name: str = "DejaVuSansMono") -> ImageFont.FreeTypeFont:
    """A font of that size in pixels."""
    return ImageFont.truetype(_FONTS / f"{name}.ttf", size)


def run(command: str) -> list[str]:
    """Run a command; returns the lines that it printed."""
    words = [VISUS if word == "visus" else word for word in command.split()]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def terminal(command: str, lines: list[str]) -> Image.Image:
    """A terminal with a command and its output."""
    panel = Image.new("RGB", (_WIDTH, _HEIGHT), _PAPER)
    draw = ImageDraw.Draw(panel)
    draw.text((10, 10), f"$ {command}", _PROMPT, font(13))
    for i, line in enumerate(lines[:17]):
        draw.text((10, 36 + 17 * i), line[:57], _INK, font(12))
    return panel


def folder(path: Path) -> Image.Image:
    """A folder of class folders with thumbnails."""
    panel = Image.new("RGB", (_WIDTH, _HEIGHT), "white")
    draw = ImageDraw.Draw(panel)
    for row, label in enumerate(sorted(p for p in path.iterdir() if p.is_dir())):
        top = 12 + row * (_HEIGHT - 12) // 2
        draw.text((12, top), f"{path.name}/{label.name}/", "black", font(15))
        for column, file in enumerate(sorted(label.glob("*.png"))[:10]):
            thumbnail = Image.open(file).convert("RGB").resize((62, 62))
            corner = (12 + column % 6 * 72, top + 24 + column // 6 * 66)
            panel.paste(thumbnail, corner)
    return panel


def scaled(image: Image.Image) -> Image.Image:
    """An image scaled to a panel."""
    panel = Image.new("RGB", (_WIDTH, _HEIGHT), "white")
    scale = min(_WIDTH / image.width, _HEIGHT / image.height)
    image = image.resize((round(image.width * scale), round(image.height * scale)))
    panel.paste(image, ((_WIDTH - image.width) // 2, (_HEIGHT - image.height) // 2))
    return panel


def titled(panel: Image.Image, title: str) -> Image.Image:
    """A panel with a title above and a frame."""
    whole = Image.new("RGB", (_WIDTH, _HEIGHT + _HEAD), "white")
    draw = ImageDraw.Draw(whole)
    draw.text((2, 6), title, "black", font(18, "DejaVuSans-Bold"))
    whole.paste(panel, (0, _HEAD))
    draw.rectangle((0, _HEAD, _WIDTH - 1, _HEIGHT + _HEAD - 1), outline="#999")
    return whole


def main() -> None:
    """Run the four steps, and arrange their panels two by two."""
    with TemporaryDirectory() as scratch:
        os.chdir(scratch)
        run("visus data samples .")
        training = run("visus fit --data photos --trainer.max_epochs 6")
        run("visus test latest")
        confusion = max(Path().glob("runs/*/*/*/confusion.png"), key=lambda p: p.stat().st_mtime_ns)
        run("visus live imagenet clip.mp4 --video live.mp4")
        capture = cv2.VideoCapture("live.mp4")
        _, frame = capture.read()
        capture.release()
        report = Image.open(confusion).convert("RGB")
        shown = [line.replace(scratch, "") for line in training]
        panels = [
            titled(folder(Path("photos")), "1. your images"),
            titled(terminal("visus fit --data photos", shown), "2. train"),
            titled(scaled(report.copy()), "3. visus test latest"),
            titled(scaled(Image.fromarray(np.asarray(frame)[..., ::-1])), "4. visus live imagenet"),
        ]
        os.chdir(STRIP.parent)
    size = (2 * _WIDTH + _GAP, 2 * (_HEIGHT + _HEAD) + _GAP)
    strip = Image.new("RGB", size, "white")
    for i, panel in enumerate(panels):
        strip.paste(panel, (i % 2 * (_WIDTH + _GAP), i // 2 * (_HEIGHT + _HEAD + _GAP)))
    strip.save(STRIP, optimize=True)
    print(STRIP)


if __name__ == "__main__":
    main()
