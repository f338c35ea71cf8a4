"""A section of a page."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Section:
    """One section: the template `NAME.html` of its page with its values, or why there is none.

    Attributes:
        name: Identifier of the section, its template and its script.
        title: Heading.
        values: Values of the template.
        data: What the section's script reads, as plain values; None if it has none.
        missing: Why the section does not apply; empty if it does.
    """

    name: str
    title: str
    values: dict[str, Any] = field(default_factory=dict)
    data: Any = None
    missing: str = ""
