"""Makes the start of a function cheaper. Import it before everything else, and call `started` last.

The cyclic garbage collector is off while a function starts: imported objects stay, so there is no garbage. asyncio is
imported without TLS, as on a Python that has none: nothing here connects through asyncio, and `ssl` takes longer to
load than Mangum. What reads a table over HTTPS imports it afterwards. Mangum gets `typing` as `typing_extensions`:
what it imports from there is in both, and compiling that library takes as long as Mangum and the evaluator together.
"""

from __future__ import annotations

import gc
import sys
import typing
from contextlib import suppress

gc.disable()
if "asyncio" not in sys.modules and "ssl" not in sys.modules:
    sys.modules["ssl"] = None  # type: ignore[assignment] # an import of it fails as if it were missing
    import asyncio  # noqa: F401

    del sys.modules["ssl"]
if "mangum" not in sys.modules and "typing_extensions" not in sys.modules:
    sys.modules["typing_extensions"] = typing
    with suppress(ImportError):  # a version that needs more than `typing` has is imported later, with the library
        import mangum  # noqa: F401
    del sys.modules["typing_extensions"]


def started() -> None:
    """Turns the collector on again and freezes the existing objects, which it would scan for nothing."""
    gc.freeze()
    gc.enable()
