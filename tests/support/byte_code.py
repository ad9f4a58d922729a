"""Which modules Python would have to compile when it imports them."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

UNCHECKED = (1).to_bytes(4, "little")
"""The flags of byte code that is used whatever its source says: PEP 552."""


def uncompiled(folder: Path, python: str) -> list[Path]:
    """The modules of a folder without byte code that this Python uses unchecked."""
    code = "import sys, importlib.util as of; print(of.MAGIC_NUMBER.hex(), sys.implementation.cache_tag)"
    words = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    start, tag = bytes.fromhex(words[0]) + UNCHECKED, words[1]
    modules = sorted(folder.rglob("*.py"))
    assert modules
    caches = {module: module.parent / "__pycache__" / f"{module.stem}.{tag}.pyc" for module in modules}
    return [module for module, cache in caches.items() if not cache.exists() or cache.read_bytes()[:8] != start]
