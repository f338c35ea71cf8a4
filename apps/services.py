"""The services of the application for the commands of tasks."""

from pathlib import Path

from visus.apps.commands.options import report_problems
from visus.apps.inference.loading import load_model
from visus.apps.live.sources import open_source
from visus.apps.live.sources.base import Source
from visus.apps.outputs import check_outputs
from visus.apps.predicting import predict_all
from visus.tasks.commands import FrameSource
from visus.tasks.options import Session
from visus.vision.model import Model


class AppServices:
    """See `visus.tasks.spec.Services`."""

    def load_model(self, name: str, runtime: str | None) -> Model:
        """See `Services.load_model`."""
        return load_model(name, runtime)

    def open_source(self, source: str) -> Source:
        """See `Services.open_source`."""
        return open_source(source)

    def predict(
        self, session: Session, source: FrameSource, draw: Path | None, jsonl: str | None
    ) -> int:
        """See `Services.predict`."""
        assert isinstance(source, Source)
        check_outputs({"--draw": draw, "--jsonl": jsonl}, source.files)
        result = predict_all(session, source, draw, jsonl)
        return report_problems(result.frames, result.problems)

    def report_problems(self, read: int, problems: list[str]) -> int:
        """See `Services.report_problems`."""
        return report_problems(read, problems)
