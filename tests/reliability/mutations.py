"""Random damage to annotation files, by bytes and by structure; the same for the same seed."""

import copy
import random
import re

LONG = "x" * 300
"""Longer than the name of any file."""

VALUES = (
    None, True, -5, 0, 2, 3.7, 1e300, 10**400, float("nan"), float("inf"), "", "x", "1", "true",
    "no", "\0", "\ud800", "\n", "../../../etc/passwd", "/etc/passwd", LONG, [], {}, [1, 2], [[[]]],
)  # fmt: skip
"""Values that a key may have by mistake."""

TEXTS = (
    "", "nan", "inf", "-1", "1e400", "9" * 400, "1_0", "0x10", "1,5", "true", "no", "2", LONG,
    "../../../etc/passwd", "a b", "ä", "\u0661",
)  # fmt: skip
"""Texts that a value may have by mistake."""

PIECES = (
    b"nan", b"-", b"1e400", b"\xff", b"\0", b"9" * 400, b"", b"<", b'"', b"'", b",", b"\n", b"\r",
    b"0", b" ", b"\xef\xbb\xbf", b"\xc3", b"{", b"]", b"\t", b"&", b":", b"\xe2\x80\xa8",
)  # fmt: skip
"""Bytes that an editor, a transfer or another encoding puts into a file."""


def mutate_bytes(data: bytes, rng: random.Random) -> bytes:
    """Damage a file without regard to its format."""
    kind = rng.random()
    if kind < 0.08:
        return data[: rng.randrange(len(data) + 1)]
    if kind < 0.12:
        return data.decode("utf-8", "replace").encode(rng.choice(("utf-16", "utf-8-sig", "utf-32")))
    mutated = bytearray(data)
    for _ in range(rng.randrange(1, 4)):
        where = rng.randrange(len(mutated) + 1)
        end = where + rng.randrange(4)
        if kind < 0.25:
            mutated[where:where] = mutated[where : where + rng.randrange(1, 40)]
        elif kind < 0.4 and where < len(mutated):
            mutated[where] ^= 1 << rng.randrange(8)
        else:
            mutated[where:end] = rng.choice(PIECES)
    return bytes(mutated)


def mutate_tree(content, rng: random.Random):
    """Replace, remove, repeat or rename a random part of JSON or YAML; returns the content."""
    place = content
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        if not keys:
            return content
        key = rng.choice(keys)
        if isinstance(place[key], dict | list) and place[key] and rng.random() < 0.85:
            place = place[key]
            continue
        action = rng.random()
        if action < 0.5:
            place[key] = copy.deepcopy(rng.choice(VALUES))
        elif action < 0.65:
            del place[key]
        elif isinstance(place, list):
            place.append(copy.deepcopy(place[key]))
        else:
            place[rng.choice((str(key).upper(), str(key).title(), f"{key} ", f"_{key}"))] = (
                place.pop(key)
            )
        return content


def mutate_xml(text: str, rng: random.Random) -> str:
    """Change, repeat, remove or rename a random element or value of XML."""
    elements = list(re.finditer(r"<(\w+)>([^<]*)</\1>|<(\w+)>.*?</\3>", text, re.DOTALL))
    if not elements:
        return text
    element = rng.choice(elements)
    tag, whole = element[1] or element[3], element[0]
    action = rng.random()
    if action < 0.4 and element[1]:
        new = f"<{tag}>{rng.choice(TEXTS)}</{tag}>"
    elif action < 0.55:
        new = ""
    elif action < 0.7:
        new = whole + whole
    elif action < 0.9:
        other = rng.choice((tag.upper(), tag.title(), "object", "name", "part"))
        new = whole.replace(f"<{tag}>", f"<{other}>").replace(f"</{tag}>", f"</{other}>")
    else:
        new = f"<wrapper>{whole}</wrapper>"
    return text[: element.start()] + new + text[element.end() :]


def mutate_rows(text: str, rng: random.Random, separator: str = " ") -> str:
    """Change, repeat, remove or shift the fields and lines of a table."""
    lines = text.split("\n")
    number = rng.randrange(len(lines))
    fields = lines[number].split(separator)
    place = rng.randrange(len(fields))
    action = rng.random()
    if action < 0.5:
        fields[place] = rng.choice(TEXTS)
    elif action < 0.6:
        del fields[place]
    elif action < 0.7:
        fields.insert(place, rng.choice(TEXTS))
    elif action < 0.8:
        fields.insert(place, rng.choice(('"', "'", f'"{LONG}')))
    elif action < 0.9:
        lines.insert(number, lines[number])
    else:
        lines[number:number] = [""]
    # The line may have moved; the changed copy replaces one of the two.
    lines[number] = separator.join(fields) if action < 0.8 else lines[number]
    return "\n".join(lines)
