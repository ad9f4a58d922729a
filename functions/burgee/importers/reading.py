"""Reads another engine's file, YAML or JSON, with the place of every node."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from burgee.errors import FlagFileError
from burgee.flagfile.yaml_reader import Document

if TYPE_CHECKING:
    from pathlib import Path

# JSON may write a character beyond the basic plane as two escapes, which YAML does not support.
_PAIR = re.compile(rb"(?<!\\)((?:\\\\)*)(\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})")


def read(path: Path) -> Document:
    """The document. Raises FlagFileError with the place of each fault."""
    document = Document(str(path), _PAIR.sub(_character, path.read_bytes()))
    if document.problems:
        raise FlagFileError(document.problems)
    return document


def _character(found: re.Match[bytes]) -> bytes:
    pair = found[2].decode("unicode_escape")
    return found[1] + pair.encode("utf-16", "surrogatepass").decode("utf-16").encode()
