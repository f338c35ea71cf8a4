"""The path of a compression, as lines while it goes on and as a table at its end."""

from rich.table import Table

from visus.apps.compress.measuring import MainMetric, Measured
from visus.apps.console import console


class PathTable:
    """Collects measured models."""

    def __init__(self) -> None:
        self._rows: list[tuple[Measured, str]] = []

    def add(self, model: Measured, verdict: str) -> None:
        """Add a model, and print a line on it.

        Args:
            model: The model.
            verdict: Whether it is within the limits, in words.
        """
        self._rows.append((model, verdict))
        speeds = ", ".join(f"{name} {each}" for name, each in model.latencies.items())
        print(
            f"{model.step}: {model.multiply_adds / 1e6:,.0f} million multiply-adds, "
            f"{model.metric.name} {model.metric.value:.3f}, {speeds}; {verdict}",
            flush=True,
        )

    def print(self) -> None:
        """Print the table."""
        first, _ = self._rows[0]
        table = Table(title=f"{first.metric.name} on the validation data")
        for name in ("step", "multiply-adds", "weights", *first.latencies, first.metric.name, ""):
            table.add_column(name)
        for model, verdict in self._rows:
            table.add_row(
                model.step,
                f"{model.multiply_adds / 1e6:,.0f} million",
                f"{model.megabytes:.1f} MB",
                *(str(each) for each in model.latencies.values()),
                str(model.metric),
                verdict,
            )
        console().print(table)


def print_test(metrics: dict[str, MainMetric], split: str) -> None:
    """Print the metrics of the original and of what became of it.

    Args:
        metrics: By the name of the model.
        split: What they were measured on, in words.
    """
    (name, *_) = {metric.name for metric in metrics.values()}
    table = Table("model", f"{name} on the {split} data (± standard error)")
    for model, metric in metrics.items():
        table.add_row(model, str(metric))
    console().print(table)
