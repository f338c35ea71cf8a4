"""Draw docs/images/imports.svg from the imports of the code: python docs/draw_imports.py."""

import ast
from collections import Counter
from html import escape
from pathlib import Path

ROOT = Path(__file__).parent.parent
DIAGRAM = Path(__file__).parent / "images" / "imports.svg"
ROWS = (("apps",), ("tasks", "datamodules"), ("models",), ("vision",))
"""The packages from the top layer down; imports point downwards only."""

_WIDTH, _MARGIN, _GAP, _LINE, _HEAD, _PAD = 960, 90, 50, 20, 26, 10
_Box = tuple[int, int, int, int]
_COLOURS = {
    "apps": "#dce9f7",
    "tasks": "#e3f1dc",
    "datamodules": "#f6ecd6",
    "models": "#efe1f2",
    "vision": "#e4e4e4",
}


def imports() -> set[tuple[str, str]]:
    """Pairs of packages of which the first imports from the second."""
    pairs: set[tuple[str, str]] = set()
    packages = [package for row in ROWS for package in row]
    for package in packages:
        for path in sorted((ROOT / package).rglob("*.py")):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            modules = {
                node.module
                for node in ast.walk(tree)
                if isinstance(node, ast.ImportFrom) and node.module
            }
            used = {module.split(".")[1] for module in modules if module.startswith("visus.")}
            pairs |= {(package, other) for other in used & set(packages) - {package}}
    return pairs


def parts(package: str) -> list[str]:
    """The sub-packages and modules of a package."""
    folder = ROOT / package
    folders = [f"{p.name}/" for p in sorted(folder.iterdir()) if (p / "__init__.py").exists()]
    return folders + [p.stem for p in sorted(folder.glob("*.py")) if p.stem != "__init__"]


def draw() -> str:
    """The diagram as SVG."""
    boxes: dict[str, tuple[int, int, int, int]] = {}
    body: list[str] = []
    y = 10
    inner = _WIDTH - 2 * _MARGIN
    for row in ROWS:
        width = (inner - (len(row) - 1) * 20) // len(row)
        texts = {package: _wrap(parts(package), (width - 2 * _PAD) // 8) for package in row}
        height = _HEAD + _PAD + _LINE * max(len(lines) for lines in texts.values())
        for i, package in enumerate(row):
            x = _MARGIN + i * (width + 20)
            boxes[package] = (x, y, width, height)
            body.append(
                f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="6" '
                f'fill="{_COLOURS[package]}" stroke="#555"/>'
            )
            body.append(
                f'<text x="{x + _PAD}" y="{y + 19}" font-weight="bold">visus.{package}</text>'
            )
            body += [
                f'<text x="{x + _PAD}" y="{y + _HEAD + 14 + j * _LINE}" font-size="13">'
                f"{escape(line)}</text>"
                for j, line in enumerate(texts[package])
            ]
        y += height + _GAP
    level = {package: i for i, row in enumerate(ROWS) for package in row}
    arrows = Counter[str]()
    for first, second in sorted(imports()):
        if level[second] == level[first] + 1:
            body.append(_straight(boxes[first], boxes[second]))
        else:
            side = "right" if boxes[first][0] > _MARGIN else "left"
            body.append(_around(boxes[first], boxes[second], side, arrows[side]))
            arrows[side] += 1
    height = y - _GAP + 10
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" '
        'font-family="sans-serif" font-size="15">\n'
        '<defs><marker id="tip" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" '
        'markerHeight="7" orient="auto"><path d="M0,0 L10,5 L0,10 z" fill="#333"/></marker>'
        "</defs>\n"
        f'<rect width="{_WIDTH}" height="{height}" fill="white"/>\n'
        + "\n".join(body)
        + "\n</svg>\n"
    )


def _wrap(words: list[str], width: int) -> list[str]:
    """Join words to lines of at most `width` characters."""
    lines = [""]
    for word in words:
        longer = f"{lines[-1]}  {word}".strip()
        if len(longer) > width and lines[-1]:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def _straight(first: _Box, second: _Box) -> str:
    """An arrow to the layer below."""
    left = max(first[0], second[0])
    right = min(first[0] + first[2], second[0] + second[2])
    x, top, bottom = (left + right) // 2, first[1] + first[3], second[1]
    return (
        f'<line x1="{x}" y1="{top}" x2="{x}" y2="{bottom}" stroke="#333" marker-end="url(#tip)"/>'
    )


def _around(first: _Box, second: _Box, side: str, index: int) -> str:
    """An arrow in the margin, around the layers in between; `index` counts those on a side."""
    start, end = first[1] + 24 + 18 * index, second[1] + 24 + 18 * index
    offset = 24 + 20 * index
    if side == "left":
        x0, x1, x = first[0], second[0], _MARGIN - offset
    else:
        x0, x1 = first[0] + first[2], second[0] + second[2]
        x = _WIDTH - _MARGIN + offset
    return (
        f'<path d="M{x0},{start} H{x} V{end} H{x1}" fill="none" stroke="#333" '
        'marker-end="url(#tip)"/>'
    )


if __name__ == "__main__":
    DIAGRAM.write_text(draw(), encoding="utf-8")
    print(DIAGRAM)
