"""Makes the start of a function cheaper. Import it before everything else, and call `started` last.

The cyclic garbage collector is off while a function starts: imported objects stay, so there is no garbage. asyncio is
imported without TLS, as on a Python that has none: nothing here connects through asyncio, and `ssl` takes longer to
load than Mangum. What reads a table over HTTPS imports it afterwards.
"""

from __future__ import annotations

import gc
import sys

gc.disable()
if "asyncio" not in sys.modules and "ssl" not in sys.modules:
    sys.modules["ssl"] = None  # type: ignore[assignment] # an import of it fails as if it were missing
    import asyncio  # noqa: F401

    del sys.modules["ssl"]


def started() -> None:
    """Turns the collector on again and freezes the existing objects, which it would scan for nothing."""
    gc.freeze()
    gc.enable()
