"""Turns the cyclic garbage collector off while a function starts: imported objects stay, so there is no garbage.

Import it before everything else, and call `started` last.
"""

from __future__ import annotations

import gc

gc.disable()


def started() -> None:
    """Turns the collector on again and freezes the existing objects, which it would scan for nothing."""
    gc.freeze()
    gc.enable()
