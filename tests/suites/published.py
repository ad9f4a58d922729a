"""The suites of other engines that are published, and what Burgee answers to each.

`BURGEE_SUITES` names a folder with checkouts of launchdarkly/sdk-test-harness, Unleash/client-specification,
growthbook/growthbook, Eppo-exp/sdk-test-data and open-feature/flagd-testbed, each under its repository's name.
"""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from burgee.importers.base import Generation
from suites import eppo, flagd, growthbook, launchdarkly, unleash

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from suites.outcome import Outcome

FOLDER = Path(os.environ["BURGEE_SUITES"]) if "BURGEE_SUITES" in os.environ else None


class Published(NamedTuple):
    """A suite: its name here, its repository, how it is run on a checkout, and why some answers are others."""

    title: str
    repository: str
    run: Callable[[Path], Outcome]
    differences: Mapping[str, str]
    """By how the names of the cases begin."""

    def why(self, case: str) -> str | None:
        """Why a case has another answer here; None if nobody knows."""
        return next((why for start, why in self.differences.items() if case.startswith(start)), None)


PUBLISHED = [
    Published("Unleash, imported", "Unleash/client-specification", unleash.run, unleash.DIFFERENCES),
    Published("LaunchDarkly, imported", "launchdarkly/sdk-test-harness", launchdarkly.run, launchdarkly.DIFFERENCES),
    Published("GrowthBook, imported", "growthbook/growthbook", growthbook.run, growthbook.DIFFERENCES),
    Published("Eppo, allocations as rules", "Eppo-exp/sdk-test-data", eppo.run, eppo.DIFFERENCES),
    *(
        Published(
            f"flagd, {named}, imported with `--hash {generation}`",
            "open-feature/flagd-testbed",
            partial(run, generation=generation),
            flagd.DIFFERENCES,
        )
        for named, run in (("features of evaluators", flagd.run_evaluator), ("of providers", flagd.run_provider))
        for generation in Generation
    ),
]
