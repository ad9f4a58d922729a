"""Writes files whole: a full disk or an interruption leaves a file as it was."""

from __future__ import annotations

import contextlib
import os
import shutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def write_file(path: Path, data: bytes) -> None:
    """Creates a file or replaces its contents, keeping its mode, its owner where allowed, and a link to it.

    Raises OSError with the file's name; the file is then unchanged.
    """
    stands = path.exists()
    if stands and not path.is_file():  # such as /dev/stdout
        path.write_bytes(data)
        return
    target = path.resolve()
    beside = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        if stands:
            target.open("r+b").close()  # replacing a write-protected file would succeed
        beside.write_bytes(data)
        if stands:
            shutil.copymode(target, beside)
            with contextlib.suppress(OSError):
                shutil.chown(beside, target.stat().st_uid, target.stat().st_gid)
        beside.replace(target)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)
