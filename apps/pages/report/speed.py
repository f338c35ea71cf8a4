"""The section on speed."""

from visus.apps.pages.section import Section
from visus.apps.report.speed import SpeedReport


def speed_section(report: SpeedReport) -> Section:
    """Latency, throughput, memory and cold start of each runtime, and file sizes."""
    return Section("speed", "Speed", {"speeds": report.speeds, "sizes": report.sizes})
