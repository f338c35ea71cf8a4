"""The documentation site: make docs builds it in build/docs; a warning is an error."""

import os
import re
from pathlib import Path
from typing import Any, Protocol

import visus


class _Site(Protocol):
    """What this file uses of `sphinx.application.Sphinx`, whose package has no types."""

    env: Any

    def connect(self, event: str, callback: Any) -> int:
        """Call a function at an event."""


DOCS = Path(__file__).parent.resolve()
ROOT = DOCS.parent
REPOSITORY = "https://github.com/visus-vision/visus/blob/main"

project = "visus"
version = release = visus.__version__
copyright = "the authors of visus, Apache-2.0"
html_title = f"visus {release}"
html_theme = "furo"
html_copy_source = False
html_static_path = ["site"]
html_css_files = ["style.css"]

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["examples", "images", "site"]
myst_heading_anchors = 3

# Single backquotes are code, as in Markdown, and links where they name something of the reference.
default_role = "py:obj"
add_module_names = False
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented_params"
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True
napoleon_use_ivar = True
napoleon_use_rtype = False

# A class of visus in a signature must have a place in the reference; those of others need none.
nitpick_ignore_regex = [("py:obj", ".*"), ("py:class", r"(?!visus\.).*")]
nitpick_ignore = [
    ("py:class", "visus.models.backbones.registry.Builder"),
    ("py:class", "visus.datamodules.core.base.Augment"),
]

_PAGE_OF = {
    ROOT / "CONTRIBUTING.md": DOCS / "project" / "contributing.md",
    ROOT / "CHANGELOG.md": DOCS / "project" / "changelog.md",
    ROOT / "SECURITY.md": DOCS / "project" / "security.md",
    ROOT / "README.md": DOCS / "index.md",
}
"""Pages of the repository's top folder, and those of the site that include them."""

_LINK = re.compile(r"(?<=\]\()([^)#\s:]+)(#[^)\s]+)?(?=\))")
_ON_THE_SITE = {".md", ".jpg", ".png", ".svg"}


def _link_for_site(file: Path, page: Path, target: str) -> str:
    """Where a link of a Markdown file leads on the site.

    Args:
        file: The file that holds the link, which is relative to it.
        page: The page of the site that shows the file; it may include it.
        target: The link as GitHub follows it, without an anchor.

    Returns:
        A link relative to the page; of a file that is not on the site, its address on GitHub.
    """
    path = (file.parent / target).resolve()
    path = _PAGE_OF.get(path, path)
    if path.suffix in _ON_THE_SITE and path.is_relative_to(DOCS):
        return Path(os.path.relpath(path, page.parent)).as_posix()
    return f"{REPOSITORY}/{path.relative_to(ROOT).as_posix()}"


def _rewrite_links(file: Path, page: Path, content: list[str]) -> None:
    """Change the links of a file, the only item of `content`, into those of the site."""
    content[0] = _LINK.sub(
        lambda found: _link_for_site(file, page, found[1]) + (found[2] or ""), content[0]
    )


def setup(app: _Site) -> dict[str, bool]:
    """Rewrite the links of every page, and of the files that pages include."""

    def page() -> Path:
        return Path(app.env.doc2path(app.env.docname))

    def read(_: _Site, docname: str, content: list[str]) -> None:
        _rewrite_links(page(), page(), content)

    def include(_: _Site, path: Path, docname: str, content: list[str]) -> None:
        _rewrite_links((DOCS / path).resolve(), page(), content)

    app.connect("source-read", read)
    app.connect("include-read", include)
    return {"parallel_read_safe": True}
