"""Conceal the objects of some classes in every frame: `--blur`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from visus.tasks.options import Session, TaskOption

if TYPE_CHECKING:
    from visus.vision.frames import SourceProperties
    from visus.vision.metadata import ModelMetadata

ALL = "all"
"""The value that stands for every label."""


def blur_option(labels: tuple[str, ...] | None = None) -> TaskOption:
    """The option `--blur` of a task whose predictions are `visus.vision.prediction.Concealable`.

    Args:
        labels: The labels of its regions; None for the class names of the model.
    """

    def choices(metadata: ModelMetadata) -> tuple[str, ...]:
        return (*(metadata.class_names if labels is None else labels), ALL)

    return TaskOption(
        "--blur",
        "make objects of this class unrecognisable in all images that are shown or written; all "
        "for every class; may be repeated",
        metavar="CLASS",
        repeatable=True,
        model_choices=choices,
    )


def conceal(
    session: Session,
    option: TaskOption,
    chosen: Sequence[str] | None,
    source: SourceProperties,
) -> Session:
    """A session with its objects of some classes concealed.

    Args:
        session: Its model predicts regions; it is wrapped where frames follow each other.
        option: Of `blur_option`.
        chosen: The values of the option; None or empty to conceal nothing.
        source: Where the frames come from.
    """
    if not chosen:
        return session
    # Drawing needs OpenCV, and tracking SciPy.
    from visus.vision.concealing import ConcealingModel, conceal_image

    assert option.model_choices is not None
    known = [label for label in option.model_choices(session.model.metadata) if label != ALL]
    labels = known if ALL in chosen else list(chosen)
    if source.still:
        session.conceal = partial(conceal_image, labels=labels)
    else:
        model = ConcealingModel(session.model, labels, source.rate)
        session.model, session.conceal = model, model.conceal
    return session
