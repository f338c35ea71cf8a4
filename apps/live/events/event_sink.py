"""Events of one camera: raised by conditions, with a clip, a JSON file and a webhook."""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from visus.apps.live.events.conditions import Condition, Trigger
from visus.apps.live.events.recorder import Clip, Recorder
from visus.apps.live.events.webhooks import Webhook
from visus.apps.live.sinks.base import Sink
from visus.apps.live.sources.base import Source
from visus.vision.errors import VisusError
from visus.vision.frames import Frame
from visus.vision.images import Pixels
from visus.vision.output_files import replacing
from visus.vision.prediction import Prediction
from visus.vision.printable import printable
from visus.vision.wording import counted


@dataclass(frozen=True)
class EventSettings:
    """What is done at an event.

    Attributes:
        folder: Folder of clips and JSON files.
        seconds: Length of a clip; one half is before the event, the other after it.
        cooldown: Seconds from one event of a condition to the next.
        webhook: Receives the events.
        private: Whether only the user may read the JSON files, as they hold embeddings.
    """

    folder: Path
    seconds: float
    cooldown: float
    webhook: Webhook | None = None
    private: bool = False


class EventSink(Sink):
    """Raises the events of a camera, and records them from the drawn frames.

    An error of the disk is reported, and later events are tried again.

    Args:
        name: The camera's name, in file names.
        source: The source of the frames; its `problems` receive what could not be written.
        conditions: The conditions.
        settings: What is done at an event.
    """

    def __init__(
        self, name: str, source: Source, conditions: Sequence[Condition], settings: EventSettings
    ) -> None:
        self._name = name
        self._problems = source.problems
        self._settings = settings
        # A condition has one clip at a time.
        cooldown = max(settings.cooldown, settings.seconds)
        self._triggers = [Trigger(condition, cooldown) for condition in conditions]
        self._recorder = Recorder(settings.seconds / 2, source.rate, source.live)
        self._raised: list[tuple[Path, dict[str, Any]]] = []
        self._count = 0
        self._finished = 0

    def watch(self, frame: Frame, prediction: Prediction) -> None:
        """Compare a frame's prediction with the conditions."""
        if frame.time is None:
            return
        for trigger in self._triggers:
            value = trigger.condition.value(prediction)
            if trigger.update(value, frame.time):
                self._raise(trigger.condition, value, frame, prediction)

    def show(self, frame: Frame, drawn: Pixels) -> bool:
        """See `Sink.show`; begins the clips of the events of this frame."""
        if frame.note or frame.time is None:
            for trigger in self._triggers:
                trigger.interrupt()
            self._recorder.interrupt()
            return True
        self._recorder.add(frame.time, drawn)
        for path, event in self._raised:
            self._begin(path, event)
        self._raised.clear()
        return True

    def written(self) -> str:
        """See `Sink.written`."""
        if not self._count:
            return ""
        clips = counted(self._finished, "clip")
        return f"{self._settings.folder}: {counted(self._count, 'event')} of {self._name}, {clips}"

    def close(self) -> None:
        """See `Sink.close`; clips end here."""
        self._recorder.close()

    def _raise(
        self, condition: Condition, value: float, frame: Frame, prediction: Prediction
    ) -> None:
        self._count += 1
        now = datetime.now().astimezone()
        name = f"{self._name}-{now:%Y%m%d-%H%M%S}-{self._count}.mp4"
        path = self._settings.folder / name
        event: dict[str, Any] = {
            "camera": self._name,
            "condition": condition.text,
            "value": round(value, 6),
            "time": round(frame.time or 0.0, 3),
            "at": now.isoformat(timespec="milliseconds"),
            "clip": path.name,
            "prediction": prediction.to_json(),
        }
        self._report(f"{condition.text}, at {frame.time:.1f} s: {path}")
        if self._settings.webhook is not None:
            self._settings.webhook.send(event)
        self._raised.append((path, event))

    def _begin(self, path: Path, event: dict[str, Any]) -> None:
        def started() -> None:
            # The event is on the disk even if the program is killed during the clip.
            self._write(path, event)

        def finished(frames: int, seconds: float, problem: str) -> None:
            if problem:
                self._fail(problem)
            else:
                self._finished += 1
            outcome = {"error": problem} if problem else {}
            self._write(path, event | {"frames": frames, "seconds": round(seconds, 3)} | outcome)

        half = self._settings.seconds / 2
        self._recorder.begin(Clip(path, event["time"] + half, started, finished))

    def _write(self, clip: Path, event: dict[str, Any]) -> None:
        text = json.dumps(event, ensure_ascii=False, indent=1) + "\n"
        try:
            with replacing(clip.with_suffix(".json")) as part:
                if self._settings.private:
                    part.touch(mode=0o600)
                part.write_text(text, encoding="utf-8")
        except VisusError as error:
            self._fail(str(error))

    def _fail(self, problem: str) -> None:
        """Report a problem of the disk; a full one has the same with every event."""
        self._problems.append(f"{self._name}: {problem}")
        self._report(problem)

    def _report(self, message: str) -> None:
        print(printable(f"visus: {self._name}: {message}"), file=sys.stderr, flush=True)
