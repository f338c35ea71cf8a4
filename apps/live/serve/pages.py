"""The pages: each one document without external files, and the policy that its browser enforces."""

import base64
import hashlib
from functools import cache
from importlib.resources import files

from starlette.responses import Response

from visus.apps.live.serve.bodies import MAX_BYTES


def page(name: str) -> Response:
    """The answer with a page.

    Args:
        name: Of its files: `NAME.html` with `NAME.css` and `NAME.js`.
    """
    html, policy = _page(name)
    headers = {"Content-Security-Policy": policy, "Referrer-Policy": "no-referrer"}
    return Response(html, headers=headers, media_type="text/html")


@cache
def _page(name: str) -> tuple[bytes, str]:
    style, script = _text(f"{name}.css"), _text(f"{name}.js")
    script = script.replace("MAX_BYTES", str(MAX_BYTES))
    html = _text(f"{name}.html").replace("STYLE", style).replace("SCRIPT", script)
    policy = (
        "default-src 'none'; img-src 'self' data:; connect-src 'self'; "
        f"style-src {_hash(style)}; script-src {_hash(script)}; frame-ancestors 'none'; "
        "base-uri 'none'; form-action 'none'"
    )
    return html.encode(), policy


def _text(name: str) -> str:
    return (files("visus.apps.live.serve") / name).read_text(encoding="utf-8").strip()


def _hash(text: str) -> str:
    """The source of an inline style or script in a policy: no other one is used."""
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"'sha256-{digest}'"
