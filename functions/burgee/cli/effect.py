"""The effect of a change between two snapshots of one environment, for commands that ask before they act."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from burgee.cli.render.diff_report import Comparison, DiffReport
from burgee.diff.causes import causes
from burgee.diff.effect import effects
from burgee.review.file_findings import size

if TYPE_CHECKING:
    from burgee.model import Snapshot

SECONDS = 8.0
"""Time for comparing; the rest is sampled, and marked as not exact."""


def effect_between(before: Snapshot, after: Snapshot, now: float, seconds: float = SECONDS) -> Comparison:
    """The effect of going from `before` to `after` at `now` (epoch seconds), without findings."""
    end = time.monotonic() + seconds
    found = effects(before, after, now, lambda: time.monotonic() > end)
    changed = {effect.flag for effect in found}
    through = {flag: causes(before, after, flag, changed) for flag in changed}
    return Comparison([DiffReport(found, [], (size(before), size(after)), causes=through)])
