"""The operators' cases, as data that another language could run."""

from __future__ import annotations

from pathlib import Path

from burgee.flagfile.yaml_reader import Document

PATH = Path(__file__).parents[1] / "cases/operators.yaml"
CASES = Document(str(PATH), PATH.read_bytes()).value
