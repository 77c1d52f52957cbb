"""Documentation is tested: what it names exists, and what exists is named."""

from __future__ import annotations

import functools
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
#: Read by the tests and by .ci/run, not by the product.
FOR_TESTS = {"LIMITS_REQUIRE_BROKERS"}


def page_name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def snippets(text: str) -> Iterator[str]:
    """Each line of a shell block and each piece of inline code."""
    for language, block in re.findall(r"^```(\w*)\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        if language in ("sh", "console"):
            yield from (line.removeprefix("$ ") for line in block.replace("\\\n", " ").splitlines())
    outside = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    yield from (code.replace("\n", " ") for code in re.findall(r"`([^`]+)`", outside))


def commands() -> Iterator[Any]:
    """Every ``limits ...`` written anywhere, once per page."""
    for path in PAGES:
        seen = set()
        for snippet in snippets(path.read_text()):
            line = snippet.strip().removeprefix(".venv/bin/")
            if (line == "limits" or line.startswith("limits ")) and line not in seen:
                seen.add(line)
                yield pytest.param(line, id=f"{page_name(path)}: {line}")


@functools.cache
def tree() -> Any:
    """All commands; to make them anew takes longer than what a test does with them."""
    from limits.cli import app

    return typer.main.get_command(app)


def resolve(line: str) -> list[tuple[Any, list[str]]]:
    """The commands that a written line stands for (``a|b`` is two), each with its options as written."""
    words = shlex.split(re.split(r"\s[>&|#;]|\s\\$", line)[0].replace("[", " ").replace("]", " "), posix=True)[1:]
    found: list[tuple[Any, list[str]]] = [(tree(), [])]
    for position, word in enumerate(words):
        options = [w.split("=")[0] for w in words[position:] if w.startswith("-")]
        grown = []
        for command, _ in found:
            names = getattr(command, "commands", {})
            if not names or word.startswith("-"):
                grown.append((command, options))
                continue
            for choice in word.split("|"):
                assert choice in names, f"{line!r}: there is no {choice!r} in {command.name}; there are {sorted(names)}"
                grown.append((names[choice], []))
        if all(not getattr(command, "commands", {}) or word.startswith("-") for command, _ in found):
            return grown
        found = grown
    return found


@pytest.mark.parametrize("line", list(commands()))
def test_every_command_named_is_there(line: str) -> None:
    for command, options in resolve(line):
        known = {option for p in command.params for option in (*p.opts, *p.secondary_opts)} | {"--help", "-h"}
        assert set(options) <= known, f"{line!r}: {set(options) - known} unknown; there are {sorted(known)}"


def test_every_command_there_is_named() -> None:
    """A command that no page mentions is one that nobody finds."""

    def leaves(command: Any, path: str) -> Iterator[tuple[str, Any]]:
        inner = getattr(command, "commands", {})
        for name, child in inner.items():
            if not child.hidden:
                yield from leaves(child, f"{path} {name}")
        if not inner:
            yield path, command

    written = " ".join(str(p.values[0]).replace("|", " ") for p in commands())
    missing = [path for path, _ in leaves(tree(), "limits") if not set(path.split()) <= set(written.split())]
    assert not missing, f"not in README.md or docs/: {missing}"


def test_every_make_target_named_is_there() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for path in PAGES:
        for snippet in snippets(path.read_text()):
            if match := re.match(r"make ([a-z-]+)", snippet.strip()):
                assert match[1] in targets, f"{page_name(path)}: make {match[1]}"


def test_the_readme_starts_with_the_two_commands() -> None:
    found = [s.split("#")[0].strip() for s in snippets((ROOT / "README.md").read_text()) if s.startswith("make ")]
    assert found[:2] == ["make demo", "make test"]


def test_the_words_that_commands_print_are_explained() -> None:
    text = (ROOT / "README.md").read_text()
    table = text[text.index("## Words") : text.index("## What it keeps to")]
    explained = {word.strip() for row in re.findall(r"^\| ([^|]+) \|", table, re.MULTILINE) for word in row.split(",")}
    printed = {
        "aside", "breaker", "budget", "business date", "canary", "capacity", "ceiling", "floor", "gate", "kill switch",
        "lease", "owed", "packed", "passed over", "quarantine", "referral", "shard", "snapshot", "stage", "stale",
    }  # fmt: skip
    assert printed <= explained, f"README.md, Words: {sorted(printed - explained)}"


def settings() -> set[str]:
    from limits.settings import Settings

    return {f"LIMITS_{name.upper()}" for name in Settings.model_fields}


def test_every_variable_named_is_read() -> None:
    files = [*PAGES, ROOT / "docker-compose.yml", ROOT / "Dockerfile", ROOT / "Makefile", *(ROOT / ".ci").glob("[rs]*")]
    for path in files:
        named = set(re.findall(r"\bLIMITS_[A-Z_]+\b", path.read_text()))
        assert named <= settings() | FOR_TESTS, f"{page_name(path)} names {named - settings() - FOR_TESTS}"


def test_every_setting_is_explained() -> None:
    text = (ROOT / "docs" / "operations.md").read_text()
    missing = {name for name in settings() if f"| `{name}` |" not in text}
    assert not missing, f"docs/operations.md has no row for {sorted(missing)}"


def anchors(text: str) -> set[str]:
    """The names that a heading can be linked by."""
    heads = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.replace("`", "").lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("path", PAGES, ids=page_name)
def test_links_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text()):
        if "://" in target:
            continue
        file, _, anchor = target.partition("#")
        there = (path.parent / file).resolve() if file else path
        assert there.exists(), f"{page_name(path)} links to {target}"
        if anchor:
            assert anchor in anchors(there.read_text()), f"{page_name(path)} links to {target}"
