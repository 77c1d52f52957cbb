"""Where in the text of a policy a mistake stands, and how it is told: line, culprit, mend."""

from __future__ import annotations

import difflib
import re
from typing import Any, get_args

from pydantic import BaseModel
from pydantic_core import ErrorDetails

#: The way to a value: names of tables and keys, and places in a list (the first is 0).
Path = tuple[str | int, ...]


def problem(text: str, details: ErrorDetails, model: type[BaseModel]) -> tuple[int, str]:
    """Line and sentence for one of pydantic's errors."""
    path: Path = tuple(details["loc"])
    name = dotted(path)
    known = _keys(model, path[:-1])
    match details["type"]:
        case "extra_forbidden":
            near = difflib.get_close_matches(str(path[-1]), known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"remove it; the keys here are {', '.join(known)}"
            return line_of(text, path), f"unknown key {name!r}; {hint}"
        case "missing":
            return line_of(text, path), f"{name} is missing; add it, for a policy has no defaults"
        case "value_error":
            return line_of(text, path), f"{name}: {plain(details)}"
        case "date_type" | "date_from_datetime_parsing":
            return line_of(text, path), f"{name} must be a date, written without quotes such as 2026-01-01"
        case _:
            return line_of(text, path), f"{name} {plain(details)}; it is {details['input']!r}"


#: What a value must be, by the kind of pydantic's error; what stands in braces is in its context.
_PLAIN = {
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_parsing_size": "must be a whole number of usual size",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "finite_number": "must be a number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "string_type": "must be a text in quotes",
    "frozen_set_type": "must be a list",
    "set_type": "must be a list",
    "tuple_type": "must be a list",
    "list_type": "must be a list",
    "model_type": "must be a table with keys of its own",
    "model_attributes_type": "must be a table with keys of its own",
    "dict_type": "must be a table with keys of its own",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "literal_error": "must be {expected}",
    "string_too_short": "must not be empty",
    "string_too_long": "must have at most {max_length} characters",
    "too_short": "must not be empty",
    # The one pattern there is: that of a pack's name.
    "string_pattern_mismatch": "must begin with a small letter and hold up to 64 small letters, digits, _ and -",
}  # fmt: skip


def plain(details: ErrorDetails) -> str:
    """What a value must be, in words of ours: 'must be at least 1'. Of an error of our own, its sentence."""
    words = _PLAIN.get(details["type"])
    if words is None:
        return details["msg"].removeprefix("Value error, ").replace("Input should be", "must be")
    said = {key: f"{value:g}" if isinstance(value, float) else value for key, value in details.get("ctx", {}).items()}
    return words.format(**said)


def dotted(path: Path) -> str:
    """``past_due[2].limit_bps`` (the first step is number 1)."""
    name = ""
    for part in path:
        name += f"[{part + 1}]" if isinstance(part, int) else (f".{part}" if name else part)
    return name


def _keys(top: type[BaseModel], path: Path) -> list[str]:
    """The keys that a section may have."""
    model: Any = top
    for part in path:
        if isinstance(part, int):
            continue
        fields = {field.alias or name: field.annotation for name, field in model.model_fields.items()}
        model = fields.get(part)
        args = [a for a in get_args(model) if isinstance(a, type) and issubclass(a, BaseModel)]
        model = args[0] if args else model
        if not (isinstance(model, type) and issubclass(model, BaseModel)):
            return []
    return [field.alias or name for name, field in model.model_fields.items() if name != "body"]


_TABLE = re.compile(r"\s*\[\s*([A-Za-z0-9_. -]+?)\s*\]\s*(?:#.*)?$")
_TABLES = re.compile(r"\s*\[\[\s*([A-Za-z0-9_. -]+?)\s*\]\]\s*(?:#.*)?$")
_KEY = re.compile(r"\s*([A-Za-z0-9_-]+|\"[^\"]*\")\s*=")


def line_of(text: str, path: Path) -> int:
    """The line on which a key stands; where it does not stand, the line of the table it belongs to."""
    lines: dict[Path, int] = {(): 1}
    table: Path = ()
    counts: dict[Path, int] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if match := _TABLES.match(line):
            name: Path = tuple(part.strip() for part in match[1].split("."))
            table = (*name, counts.get(name, 0))
            counts[name] = counts.get(name, 0) + 1
            lines.setdefault(name, number)
            lines.setdefault(table, number)
        elif match := _TABLE.match(line):
            table = tuple(part.strip() for part in match[1].split("."))
            lines.setdefault(table, number)
        elif match := _KEY.match(line):
            lines.setdefault((*table, match[1].strip('"')), number)
    found = path
    while found not in lines:
        found = found[:-1]
    return lines[found]
