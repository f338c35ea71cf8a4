"""Generate docs/images/page.jpg, the served page in Chromium: python docs/make_page.py."""

import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread

from PIL import Image
from skimage import data

PAGE = Path(__file__).parent.resolve() / "images" / "page.jpg"
VISUS = str(Path(sys.executable).with_name("visus"))
_SIZE = (1100, 600)
_RATE = 2


def screenshot(address: str, file: Path) -> None:
    """Write what Chromium shows at an address after a few seconds of its own clock."""
    browser = ["chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
    browser += [f"--user-data-dir={file.parent / 'profile'}", f"--screenshot={file}"]
    browser += [f"--window-size={_SIZE[0]},{_SIZE[1]}", "--virtual-time-budget=5000", address]
    subprocess.run(browser, check=True, capture_output=True)


def main() -> None:
    """Write the image."""
    cat = Image.fromarray(data.chelsea())  # type: ignore[no-untyped-call]
    size = f"{cat.width}x{cat.height}"
    command = [VISUS, "live", "imagenet", "-", "--size", size, "--rate", str(_RATE)]
    command += ["--serve", "0", "--jsonl", "-"]
    finished = Event()
    with (
        TemporaryDirectory() as folder,
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as server,
    ):
        frames, predictions, messages = server.stdin, server.stdout, server.stderr
        assert frames is not None and predictions is not None and messages is not None

        def feed() -> None:
            while not finished.wait(1 / _RATE):
                frames.write(cat.tobytes())
            frames.close()

        Thread(target=feed).start()
        try:
            lines = iter(messages.readline, b"")
            address = next(found[0] for line in lines if (found := re.search(rb"http://\S+", line)))
            predictions.readline()
            screenshot(address.decode(), Path(folder, "page.png"))
        finally:
            finished.set()
        Image.open(Path(folder, "page.png")).convert("RGB").save(PAGE, quality=85)


if __name__ == "__main__":
    main()
