"""Set-up and the lock: what `make setup` promises, without installing anything."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)")


def pins(file: str) -> dict[str, str]:
    lines = (ROOT / ".ci" / file).read_text().splitlines()
    return {canonicalize_name(m[1]): m[2] for line in lines if (m := PIN.match(line))}


def project() -> dict[str, object]:
    loaded: dict[str, object] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return loaded


@pytest.mark.parametrize("file", ["requirements.txt", "requirements-dev.txt", "requirements-build.txt"])
def test_the_lock_names_hashes_and_no_address(file: str) -> None:
    text = (ROOT / ".ci" / file).read_text()
    assert "://" not in text and "--index" not in text and "--find-links" not in text
    for block in re.split(r"\n(?=\S)", text.strip()):
        assert PIN.match(block) and re.search(r"--hash=sha256:[0-9a-f]{64}", block), block.splitlines()[0]


def test_the_locks_agree_with_each_other_and_with_the_project() -> None:
    run, dev = pins("requirements.txt"), pins("requirements-dev.txt")
    assert run.items() <= dev.items()
    assert pins("requirements-build.txt").items() <= dev.items()
    for text in project()["dependencies"]:  # type: ignore[attr-defined]
        wanted = Requirement(text)
        assert run[canonicalize_name(wanted.name)] in wanted.specifier, text


def test_nothing_we_depend_on_brings_another_package_called_limits() -> None:
    """A rate-limiting package has our import name; together, one of the two would be imported by accident."""
    assert "limits" not in pins("requirements-dev.txt")
    owners = {canonicalize_name(owner) for owner in importlib.metadata.packages_distributions().get("limits", [])}
    assert owners <= {"credit-limit-scheduler"}
    import limits

    assert Path(limits.__file__).resolve().parent == ROOT / "limits"


def start(folder: Path, path: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """`.ci/setup` in a copy of the checkout, with nothing on the PATH but what it is given."""
    (folder / "checkout of mine").mkdir()
    shutil.copytree(ROOT / ".ci", folder / "checkout of mine" / ".ci")
    script = folder / "checkout of mine" / ".ci" / "setup"
    return subprocess.run(
        [str(script)],
        env={"PATH": path, "HOME": str(folder), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def tools(folder: Path) -> str:
    """A PATH with the little that a shell script needs, and no Python."""
    (folder / "bin").mkdir()
    for tool in ("dirname", "sh"):
        os.symlink(shutil.which(tool) or "", folder / "bin" / tool)
    return str(folder / "bin")


def test_without_python_there_is_one_clear_sentence(tmp_path: Path) -> None:
    done = start(tmp_path, tools(tmp_path))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1
    assert "no Python 3.11 or newer was found" in done.stderr


def test_a_launcher_that_starts_nothing_is_passed_over(tmp_path: Path) -> None:
    path = tools(tmp_path)
    launcher = tmp_path / "bin" / "python3.13"
    launcher.write_text("#!/bin/sh\necho 'not installed' >&2\nexit 127\n")
    launcher.chmod(0o755)
    done = start(tmp_path, path)
    assert "no Python 3.11 or newer was found" in done.stderr


def test_the_python_named_must_be_recent(tmp_path: Path) -> None:
    done = start(tmp_path, tools(tmp_path), PYTHON="/bin/false")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("setup: PYTHON=/bin/false is not a Python 3.11")


def test_a_folder_that_cannot_be_written_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """`.venv` is a folder inside a file here, which not even root can make."""
    spec = importlib.util.spec_from_file_location("setup_script", ROOT / ".ci" / "setup.py")
    assert spec and spec.loader
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    venv = ROOT / "Makefile" / ".venv"
    for name, path in {"VENV": venv, "PYTHON": venv / "bin" / "python", "STAMP": venv / "stamp"}.items():
        monkeypatch.setattr(script, name, path)
    monkeypatch.setattr(sys, "argv", ["setup.py"])
    monkeypatch.setattr(shutil, "which", lambda _: None)
    assert script.main() == 1
    printed = capfd.readouterr()
    assert printed.out == ""
    assert printed.err.splitlines()[-1].startswith(f"setup: cannot prepare {venv}: Not a directory")


def test_the_wheel_carries_the_schema_and_the_cases(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    for path in (ROOT / "tests" / "cases").glob("*.toml"):
        assert f"limits/casebook/cases/{path.name}" in names
    for path in (ROOT / "sql").rglob("*.sql"):
        assert f"limits/{path.relative_to(ROOT).as_posix()}" in names
    for path in [*(ROOT / "limits" / "policies").rglob("*.toml"), *(ROOT / "limits" / "samples" / "data").rglob("*")]:
        assert path.is_dir() or path.relative_to(ROOT).as_posix() in names
    assert not {top for top in (n.split("/")[0] for n in names) if top not in ("limits", "tasks")} - {
        f"credit_limit_scheduler-{importlib.metadata.version('credit-limit-scheduler')}.dist-info"
    }


def test_make_prints_nothing_of_its_own() -> None:
    """`make demo DEMO_ARGS=--json` is read by machines."""
    done = subprocess.run(
        ["make", "-n", "demo", "DEMO_ARGS=--json"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == ["./.ci/setup", ".venv/bin/limits demo --json"]
    assert ".SILENT:" in (ROOT / "Makefile").read_text()
