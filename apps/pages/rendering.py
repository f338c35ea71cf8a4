"""Render a page: its template, style, script and data become one document without other files."""

import base64
import hashlib
import json
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

_PACKAGE = "visus.apps.pages"


def render_page(
    template: str, styles: Sequence[str], scripts: Sequence[str], data: Any, **values: Any
) -> str:
    """A complete HTML document.

    Args:
        template: Path of the template below `apps/pages`; it extends `base.html`.
        styles: Paths of style sheets that follow `base.css`.
        scripts: Paths of scripts that follow `base.js`.
        data: What the scripts read, as plain values.
        values: Values of the template; `title` and `subtitle` are those of `base.html`.
    """
    # Imported late: no other command needs it.
    from jinja2 import Environment, FunctionLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=FunctionLoader(_text),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    script = "\n".join(_text(path).strip() for path in ("base.js", *scripts))
    style = "\n".join(_text(path).strip() for path in ("base.css", *styles))
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    # Within a script element only this character could begin a tag.
    text = json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    return environment.get_template(template).render(
        style=Markup(style),
        script=Markup(script),
        script_hash=Markup(f"'sha256-{digest}'"),
        data=Markup(text),
        **values,
    )


def encode_array(array: NDArray[np.float32] | NDArray[np.uint8]) -> dict[str, Any]:
    """An array as plain values, which `values` of `base.js` decodes exactly."""
    data = base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()
    return {"shape": list(array.shape), "type": str(array.dtype), "data": data}


def _text(path: str) -> str:
    return (files(_PACKAGE) / path).read_text(encoding="utf-8")
