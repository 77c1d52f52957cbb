"""Rules of style, as tests: what a reader of this code may rely on."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CORE = (
    "errors", "money", "portfolio", "capacity/__init__", "capacity/kernels", "capacity/local_level", "capacity/pooled",
    "capacity/damped", "capacity/forecasting", "capacity/combining", "capacity/result", "capacity/estimate",
    "capacity/reading", "capacity/prior", "capacity/warming", "capacity/reference", "capacity/seasonal",
    "capacity/seasonal_trial", "policy", "policy_sense",
    "policy_text", "reasons", "ceilings/__init__", "ceilings/common", "ceilings/maxima", "ceilings/repayment",
    "ceilings/exposure", "ceilings/integrity", "ceilings/terms", "ceilings/data", "ceilings/risk",
    "risk/result", "risk/scorecard", "risk/features", "risk/names", "risk/record", "risk/scoring",
    "risk/warming", "risk/fitting", "risk/losing", "decision", "dispositions",
    "notices", "retention", "breakers", "calendars", "whatif", "counterfactual", "policy_changes",
    "merkle", "entry", "entry_bytes", "record_text", "checkpoint", "checkpoint_list",
    "log_rows", "log_finding", "log_check", "log_notes", "log_proof",
    "risk/__init__", "risk/features", "risk/record", "risk/result", "risk/scorecard", "risk/scoring", "risk/warming",
)  # fmt: skip
PYTHON = sorted(path for top in ("limits", "tasks", "tests", ".ci") for path in (ROOT / top).rglob("*.py"))
SQL = sorted((ROOT / "sql").rglob("*.sql"))
QUERIES = sorted((ROOT / "sql" / "queries").glob("*.sql"))
MAX_FUNCTION_LINES = 70
MAX_FILE_LINES = 500


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def texts() -> Iterator[Path]:
    """Every text file that is ours: no data, nothing that a tool made."""
    kept = {".py", ".sql", ".md", ".toml", ".yml", ".yaml", ".txt", ".svg", ".sh", ".in", ""}
    for top in (".ci", "docs", "limits", "sql", "tasks", "tests"):
        yield from (p for p in (ROOT / top).rglob("*") if p.is_file() and p.suffix in kept)
    yield from (p for p in ROOT.iterdir() if p.is_file() and p.name != ".coverage" and p.suffix in kept)


def calls(tree: ast.AST) -> Iterator[str]:
    """The dotted names of what is called: ``datetime.now``, ``open``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func)


def imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module or ""


@pytest.mark.parametrize("path", PYTHON, ids=name)
def test_functions_and_files_stay_short(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= MAX_FILE_LINES, f"{name(path)} is longer than {MAX_FILE_LINES} lines: split it"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            assert lines <= MAX_FUNCTION_LINES, f"{name(path)}:{node.lineno} {node.name} has {lines} lines: split it"


@pytest.mark.parametrize("path", PYTHON, ids=name)
def test_no_error_is_swallowed(path: Path) -> None:
    """A bare except, or a broad one that does nothing, hides what went wrong."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ExceptHandler):
            broad = node.type is None or ast.unparse(node.type) in ("Exception", "BaseException")
            silent = all(isinstance(step, ast.Pass) for step in node.body)
            assert node.type is not None, f"{name(path)}:{node.lineno} bare except: name the error"
            assert not (broad and silent), f"{name(path)}:{node.lineno} swallows every error: name it, or say it"


@pytest.mark.parametrize("path", [p for p in PYTHON if p.is_relative_to(ROOT / "limits")], ids=name)
def test_the_driver_is_imported_by_the_store_alone(path: Path) -> None:
    if path.is_relative_to(ROOT / "limits" / "store"):
        return
    drivers = {module for module in imported(ast.parse(path.read_text())) if module.split(".")[0] == "psycopg"}
    assert not drivers, f"{name(path)} imports {drivers}: SQL belongs in limits/store"


@pytest.mark.parametrize("module", CORE)
def test_the_core_reads_no_clock_no_file_and_no_dice(module: str) -> None:
    path = ROOT / "limits" / f"{module}.py"
    if not path.exists():
        pytest.fail(f"limits/{module}.py is gone; correct CORE here")
    forbidden = re.compile(
        r"(\.now|\.utcnow|\.today|^open|^print|^input|\.read_text|\.read_bytes|default_rng|random\..*)$"
    )
    used = {call for call in calls(ast.parse(path.read_text())) if forbidden.search(call)}
    assert not used, f"limits/{module}.py calls {used}: pass the value in"


def test_no_kernel_calls_one_of_another_file() -> None:
    """What is kept of it on disk would be used on when the other file changes."""
    folders = [ROOT / "limits" / folder for folder in ("capacity", "risk")]
    trees = {path: ast.parse(path.read_text()) for folder in folders for path in folder.glob("*.py")}
    kernels = {
        path: [
            n for n in tree.body if isinstance(n, ast.FunctionDef) and "kernel" in map(ast.unparse, n.decorator_list)
        ]
        for path, tree in trees.items()
    }
    assert sum(map(len, kernels.values())) > 10
    for path, functions in kernels.items():
        others = {f.name for other, there in kernels.items() if other != path for f in there}
        own = {f.name for f in functions}
        for function in functions:
            foreign = {call.split(".")[-1] for call in calls(function)} & (others - own)
            assert not foreign, f"{name(path)}:{function.lineno} {function.name} calls {foreign} of another file"


@pytest.mark.parametrize("path", SQL, ids=name)
def test_sql_files_say_what_they_are_for(path: Path) -> None:
    first = path.read_text().splitlines()[0]
    assert re.match(r"-- \S", first), f"{name(path)}: the first line must be a comment"
    assert len(path.read_text().splitlines()) <= MAX_FILE_LINES, f"{name(path)} is too long: split it"


def test_every_named_query_is_used_and_every_used_one_exists() -> None:
    code = "\n".join(path.read_text() for path in PYTHON)
    used = set(re.findall(r"\bquery\(\s*[\"']([a-z0-9_]+)[\"']", code))
    there = {path.stem for path in QUERIES}
    assert used <= there, f"named, not there: {sorted(used - there)}"
    unused = {stem for stem in there if not re.search(rf"[\"']{stem}[\"']", code)}
    assert not unused, f"there, never named: {sorted(unused)}"


def test_every_migration_has_a_number_of_its_own() -> None:
    stems = sorted(path.stem for path in (ROOT / "sql" / "migrations").glob("*.sql"))
    assert all(re.fullmatch(r"\d{4}_[a-z0-9_]+", stem) for stem in stems), stems
    assert len({stem[:4] for stem in stems}) == len(stems), stems


def test_no_registry_is_named_in_the_tree() -> None:
    """Which index serves the packages is for each machine to say."""
    hosts = ["py" + "pi.org", "pythonhosted" + ".org", "registry." + "npmjs", "deb." + "debian.org", "docker" + ".io"]
    for path in texts():
        text = path.read_text(errors="replace")
        found = [host for host in hosts if host in text]
        assert not found, f"{name(path)} names {found}"


def test_text_is_clean() -> None:
    for path in texts():
        text = path.read_text(errors="replace")
        assert "\r" not in text, f"{name(path)} has carriage returns"
        assert not text or text.endswith("\n"), f"{name(path)} does not end with a newline"
        assert not re.search(r"^(<<<<<<<|>>>>>>>)", text, re.MULTILINE), f"{name(path)} has a merge mark"


def test_the_top_level_holds_what_it_should() -> None:
    allowed = {
        ".ci", ".dockerignore", ".git", ".gitignore", "CHANGELOG.md", "Dockerfile", "Makefile", "README.md",
        "docker-compose.yml", "docs", "limits", "pyproject.toml", "sql", "tasks", "tests",
    }  # fmt: skip
    made = {".venv", ".coverage", ".hypothesis", ".import_linter_cache", ".mypy_cache", ".pytest_cache", ".ruff_cache",
            "__pycache__", "build", "dist", "htmlcov"}  # fmt: skip
    found = {path.name for path in ROOT.iterdir() if not path.name.startswith(".coverage.")}
    assert found - allowed - made == set(), "the top level is fixed; put it into one of its folders"
