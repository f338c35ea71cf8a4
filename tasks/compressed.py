"""Tasks whose layers have fewer channels than their architecture."""

from visus.models.channels import ChannelPlan, apply_plan
from visus.tasks.base import VisionTask
from visus.vision.errors import VisusError


def set_channels(task: VisionTask, channels: ChannelPlan) -> None:
    """Give the layers the sizes of a compressed model, before its weights are loaded.

    Args:
        task: The task as its arguments describe it.
        channels: As the checkpoint stores them.

    Raises:
        VisusError: If the task's network cannot have these sizes.
    """
    try:
        apply_plan(task, channels)
    except (ValueError, AttributeError, TypeError) as error:
        raise VisusError(f"channels: {error}") from None
    task.channels = channels
