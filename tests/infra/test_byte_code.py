"""Every way of building ships byte code that is used whatever happens to the files' times."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from burgee.cli.project.building import compile_package
from support.byte_code import uncompiled

CONTAINER = (Path(__file__).parents[2] / "infra/container/Containerfile").read_text(encoding="utf-8")


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """Modules, of which one has byte code of the usual kind, as pip makes it."""
    folder = tmp_path / "package"
    (folder / "part").mkdir(parents=True)
    for name in ("first.py", "part/__init__.py", "part/second.py"):
        (folder / name).write_text("VALUE = 1\n", encoding="utf-8")
    subprocess.run([sys.executable, "-m", "compileall", "-q", "first.py"], cwd=folder, check=True)
    return folder


def value(package: Path) -> str:
    """What the modules say, in a process that writes no byte code."""
    command = [sys.executable, "-B", "-c", "import first, part.second as second; print(first.VALUE, second.VALUE)"]
    return subprocess.run(command, cwd=package, capture_output=True, text=True, check=True).stdout.strip()


def test_a_package_is_compiled_whole_for_good(package: Path) -> None:
    assert len(uncompiled(package, sys.executable)) == 3
    compile_package(package, sys.executable)
    assert uncompiled(package, sys.executable) == []
    for module in package.rglob("*.py"):
        module.write_text("VALUE = 2\n", encoding="utf-8")
        os.utime(module, (0, 0))
    assert value(package) == "1 1", "the byte code is not used once a tool has changed the files' times"


def test_the_container_compiles_what_pip_leaves_to_it(package: Path) -> None:
    assert re.search(r"pip install [^\n]*--no-compile ", CONTAINER), "pip's byte code depends on times, and stays"
    found = re.search(r"python -m compileall (.*) /burgee\n", CONTAINER)
    assert found
    for cache in package.rglob("*.pyc"):
        cache.unlink()
    subprocess.run([sys.executable, "-m", "compileall", *found[1].split(), str(package)], check=True)
    assert uncompiled(package, sys.executable) == []
