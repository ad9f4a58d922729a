"""The two distributions: what they hold, that they belong together, and that a build can be repeated."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

from burgee.version import __version__

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent


def build(folder: Path, kind: str = "wheel") -> Path:
    """The wheel or the sdist of burgee-core, as `make dist` builds it."""
    command = [str(BIN / "uv"), "build", "-q", "--offline", "--no-build-isolation", "--python", sys.executable]
    command += [f"--{kind}", "-o", str(folder), str(ROOT)]
    environment = {**os.environ, "SOURCE_DATE_EPOCH": "1700000000"}
    built = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    (made,) = folder.glob("*.whl" if kind == "wheel" else "*.tar.gz")
    return made


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("wheel"))


def test_the_wheel_carries_all_that_a_team_needs_and_nothing_of_the_tests(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    modules = {str(path.relative_to(ROOT / "functions")) for path in (ROOT / "functions/burgee").rglob("*.py")}
    assert modules <= names
    assert {"burgee/py.typed", "burgee/project/template.yaml", "burgee/project/infra/flags.schema.json"} <= names
    assert {"burgee/project/infra/github/action.yml", "burgee/project/infra/dashboard.yaml"} <= names
    assert {name.partition("/")[0] for name in names} == {
        "burgee",
        wheel.name.removesuffix("-py3-none-any.whl") + ".dist-info",
    }
    assert not {"burgee/release.json", "release.json"} & names


def test_two_builds_are_the_same_bytes(wheel: Path, tmp_path: Path) -> None:
    digests = {hashlib.sha256(one.read_bytes()).hexdigest() for one in (wheel, build(tmp_path))}
    assert len(digests) == 1


def test_the_source_distribution_has_what_a_wheel_is_built_from_and_no_tests(tmp_path: Path) -> None:
    with tarfile.open(build(tmp_path, "sdist")) as archive:
        names = {"/".join(name.split("/")[1:2]) for name in archive.getnames()}
    assert {"functions", "infra", "template.yaml", "pyproject.toml", "LICENSE", "README.md"} <= names
    assert "tests" not in names


def test_the_command_line_belongs_to_the_code_of_the_same_version() -> None:
    project = tomllib.loads((ROOT / "infra/distribution/pyproject.toml").read_text(encoding="utf-8"))["project"]
    core = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert (project["name"], core["name"]) == ("burgee", "burgee-core")
    assert project["version"] == __version__
    assert project["dependencies"] == [f"burgee-core[cli]=={__version__}"]
    for extra, needs in project["optional-dependencies"].items():
        assert needs == [f"burgee-core[{extra}]=={__version__}"]
        assert extra in core["optional-dependencies"]


def test_the_code_alone_says_what_its_command_line_needs(wheel: Path) -> None:
    code = f"import sys; sys.path.insert(0, {str(wheel)!r}); from burgee.cli import main; main()"
    ran = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (1, "burgee: the command line needs typer: pip install burgee\n")
