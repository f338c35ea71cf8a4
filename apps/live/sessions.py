"""Models with their options for one camera: sessions of several models, combined."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from visus.apps.inference.combined import CombinedPrediction, combine
from visus.apps.live.cameras import Camera
from visus.apps.live.events.conditions import Condition
from visus.apps.live.sources.base import Source
from visus.apps.live.sources.site import wait_until_opened
from visus.apps.live.throttled import ThrottledModel
from visus.tasks.options import OptionValues, Session
from visus.tasks.registry import task_spec
from visus.vision.errors import VisusError
from visus.vision.frames import Frame
from visus.vision.images import Pixels
from visus.vision.model import Model
from visus.vision.model_wrapper import ModelWrapper, detached
from visus.vision.prediction import Prediction


def configure(
    models: Sequence[Model], values: Sequence[OptionValues], source: Source, name: str
) -> list[Session]:
    """The models with the options of their tasks; see `TaskSpec.configure`.

    Args:
        models: The models.
        values: Their options.
        source: Where the frames will come from.
        name: Of a camera among others, whose options and state are its own; empty for one alone.

    Raises:
        VisusError: If an option does not suit the model or the source.
    """
    if name:
        models = [detached(model) for model in models]
        wait_until_opened(source)
    return [
        task_spec(model.metadata.task).configure(model, own, source)
        for model, own in zip(models, values, strict=True)
    ]


@contextmanager
def naming_camera(name: str) -> Iterator[None]:
    """Name a camera among others in errors; an empty name changes nothing."""
    try:
        yield
    except VisusError as error:
        if not name:
            raise
        raise VisusError(f"camera {name}: {error}") from None


def check_labels(conditions: Sequence[Condition], sessions: Sequence[Session]) -> None:
    """Refuse conditions on labels that no prediction can have.

    Raises:
        VisusError: Naming labels that are close.
    """
    labels = [
        label
        for session in sessions
        for label in task_spec(session.model.metadata.task).item_labels(session.model)
    ]
    for condition in conditions:
        condition.check_label(labels)


def new_camera(source: Source, sessions: Sequence[Session], name: str = "") -> Camera:
    """A camera whose frames all sessions predict; its sinks are still to be added."""
    models = [session.model for session in sessions]
    if not source.still:
        models = [
            ThrottledModel(model, source)
            if task_spec(model.metadata.task).live == "once_a_second"
            else model
            for model in models
        ]
    watchers = [
        partial(_watch_part, watch, number)
        for number, session in enumerate(sessions)
        for watch in session.watchers
    ]
    concealing = [
        (number, session.conceal)
        for number, session in enumerate(sessions)
        if session.conceal is not None
    ]
    conceal = partial(_conceal_parts, concealing) if concealing else None
    return Camera(source, combine(models), [], list(watchers), conceal, name)


def adjust_all(sessions: Sequence[Sequence[Session]]) -> Callable[[int], str] | None:
    """A change of what is shown by one step, for all cameras; see `Session.adjust`.

    Args:
        sessions: Of each camera.
    """
    changes = [
        next((session.adjust for session in own if session.adjust is not None), None)
        for own in sessions
    ]
    found = [change for change in changes if change is not None]
    return (lambda steps: [change(steps) for change in found][-1]) if found else None


def sessions_of_page(sessions: Sequence[Sequence[Session]]) -> dict[str, Session]:
    """The sessions of the first camera by public names of their models, for images that are sent.

    Their options are set for all cameras.

    Args:
        sessions: Of each camera, with the same models.
    """
    named: dict[str, Session] = {}
    for first, *others in zip(*sessions, strict=True):
        if others:
            first = replace(
                first, model=_SharedOptions(first.model, [other.model for other in others])
            )
        name = stem = public_name(first.model.name)
        attempt = 1
        while name in named:
            attempt += 1
            name = f"{stem}-{attempt}"
        named[name] = first
    return named


def public_name(model: str) -> str:
    """The name of a model for clients of a server, which do not learn where its file lies.

    Args:
        model: MODEL of the command line.
    """
    path = Path(model)
    return path.name if path.is_dir() else path.stem


class _SharedOptions(ModelWrapper):
    """A model whose options are set for other models too."""

    def __init__(self, model: Model, others: Sequence[Model]) -> None:
        super().__init__(model)
        self._others = others

    def __copy__(self) -> Model:
        """A copy has options of its own, which requests may set."""
        return copy(self.model)

    def set_option(self, name: str, value: Any) -> None:
        """See `Model.set_option`."""
        for model in (self.model, *self._others):
            model.set_option(name, value)


def _part(prediction: Prediction, number: int) -> Prediction:
    """The prediction of one of the models."""
    return prediction.parts[number] if isinstance(prediction, CombinedPrediction) else prediction


def _watch_part(
    watch: Callable[[Frame, Prediction], None], number: int, frame: Frame, prediction: Prediction
) -> None:
    watch(frame, _part(prediction, number))


def _conceal_parts(
    concealing: Sequence[tuple[int, Callable[[Pixels, Prediction], Pixels]]],
    image: Pixels,
    prediction: Prediction,
) -> Pixels:
    for number, conceal in concealing:
        image = conceal(image, _part(prediction, number))
    return image
