"""The table of a comparison: mean and spread over the seeds of each entry."""

import statistics
from collections.abc import Sequence

from entries import FIGURES, TASKS, Entry, entries
from trials import Result

HEADINGS = (
    *("data", "minutes", "entry", "figure", "seeds", "training, min", "in all, min", "CPU, min"),
    "starting weights",
)


def rows(results: Sequence[Result]) -> list[tuple[str, ...]]:
    """One row for each data set, time and entry, in the order of `HEADINGS`.

    Args:
        results: All results.

    Returns:
        Figures are the mean over the seeds, with the sample standard deviation of several ones;
        minutes are the longest of all seeds.
    """
    table = []
    for task, data, minutes in _groups(results):
        for entry in entries(task):
            own = [
                result
                for result in results
                if (result.task, result.data, result.minutes) == (task, data, minutes)
                and result.entry == entry.name
            ]
            if own:
                table.append(_row(entry, own))
    return table


def markdown(results: Sequence[Result]) -> str:
    """The table with what is measured and what is not comparable, as Markdown."""
    lines = ["| " + " | ".join(HEADINGS) + " |", "|" + "---|" * len(HEADINGS)]
    lines += ["| " + " | ".join(row) + " |" for row in rows(results)]
    return "\n".join([*lines, "", *notes(results)]) + "\n"


def notes(results: Sequence[Result]) -> list[str]:
    """What the figures are, what is not comparable, and what measured them, as a list."""
    tasks = [task for task in TASKS if any(result.task == task for result in results)]
    lines = [
        f"- {task}: {FIGURES[task]} on the validation images; mean and standard deviation over the "
        "seeds; minutes are the longest of all seeds."
        for task in tasks
    ]
    measured = {(result.task, result.entry) for result in results}
    said = {
        entry: f"- Not comparable, {entry.title}: {entry.note}."
        for task in tasks
        for entry in entries(task)
        if (task, entry.name) in measured
    }
    versions = {f"{name} {v}" for result in results for name, v in result.versions.items()}
    machines = sorted({result.machine for result in results})
    lines += [*said.values(), f"- Packages: {', '.join(sorted(versions))}."]
    return [*lines, f"- Machine: {'; '.join(machines)}."]


def _groups(results: Sequence[Result]) -> list[tuple[str, str, float]]:
    keys = {(result.task, result.data, result.minutes) for result in results}
    return sorted(keys, key=lambda key: (TASKS.index(key[0]), *key[1:]))


def _row(entry: Entry, results: Sequence[Result]) -> tuple[str, ...]:
    figures = [result.figure for result in results]
    figure = f"{statistics.mean(figures):.3f}"
    if len(figures) > 1:
        figure += f" ± {statistics.stdev(figures):.3f}"
    longest = (
        f"{max(values):.1f}"
        for values in (
            [result.training_minutes for result in results],
            [result.total_minutes for result in results],
            [result.cpu_minutes for result in results],
        )
    )
    first = results[0]
    place = (first.data, f"{first.minutes:g}", entry.title, figure, str(len(results)))
    return (*place, *longest, entry.weights)
