"""Assemble the page from its sections."""

from collections.abc import Sequence

from visus.apps.pages.rendering import render_page
from visus.apps.pages.section import Section
from visus.apps.report.subject import Subject
from visus.vision.printable import printable


def report_page(subject: Subject, sections: Sequence[Section]) -> str:
    """The page as one HTML document.

    Args:
        subject: What is reported on.
        sections: In their order.
    """
    task = subject.task
    parameters = sum(each.numel() for each in task.parameters())
    count = len(subject.assessment.sources)
    # Ready weights may have been trained for other outputs than they are used for.
    trained = subject.evaluation.checkpoint is not None
    outputs = f"{task.spec.title}, {task.describe_outputs()}" if trained else task.spec.title
    return render_page(
        "report/report.html",
        ["report/report.css"],
        [],
        {each.name: each.data for each in sections if each.data is not None},
        title=f"{printable(subject.evaluation.model)}: report",
        subtitle=f"{outputs}; {parameters:,} parameters; "
        f"{count:,} {subject.assessment.unit} of the {subject.split_name} split",
        folder="report",
        sections=sections,
    )
