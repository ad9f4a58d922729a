"""Measures what `make build` deploys: each function's package, unzipped and zipped, and which functions share one.

python tests/benchmarks/package_size.py
"""

from __future__ import annotations

import sys
import tempfile
import zipfile
from hashlib import sha256
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.build import build, project


def measure() -> list[dict[str, Any]]:
    """Packages: their functions, MB with byte code, how much of it that byte code is, and MB zipped."""
    found: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as name:
        for folder in sorted(build(project(Path(name))).iterdir()):
            if folder.is_dir():
                digest = _digest(folder)
                found.setdefault(digest, {"functions": [], **_sizes(folder)})["functions"].append(folder.name)
    return list(found.values())


def _files(folder: Path) -> list[Path]:
    return sorted(file for file in folder.rglob("*") if file.is_file())


def _digest(folder: Path) -> str:
    reported = sha256()
    for file in _files(folder):
        reported.update(f"{file.relative_to(folder)}\0".encode())
        reported.update(sha256(file.read_bytes()).digest())
    return reported.hexdigest()


def _sizes(folder: Path) -> dict[str, float]:
    files = _files(folder)
    with tempfile.NamedTemporaryFile(suffix=".zip") as target:
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
            for file in files:
                archive.write(file, file.relative_to(folder))
        zipped = Path(target.name).stat().st_size
    compiled = sum(file.stat().st_size for file in files if file.suffix == ".pyc")
    sizes = {"mb": sum(file.stat().st_size for file in files), "byte code mb": compiled, "zipped mb": zipped}
    return {name: round(size / 1e6, 1) for name, size in sizes.items()}


def words(packages: list[dict[str, Any]]) -> dict[str, object]:
    """What the page says."""
    return {"table": table(packages)}


def table(packages: list[dict[str, Any]]) -> str:
    """The figures in Markdown."""
    lines = ["| package of | MB | of which byte code | zipped |", "|---|---|---|---|"]
    for one in packages:
        cells = [", ".join(one["functions"]), one["mb"], one["byte code mb"], one["zipped mb"]]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table(measure()))
