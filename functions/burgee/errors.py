"""What can be broken. Expected outcomes are results (`Evaluation`, `Problem`); these are for the rest.

BurgeeError
├── FlagFileError         the file has problems; carries all of them, each with its place
├── StoreError
│   ├── StoreUnavailable  no answer: timeout, throttling, refused connection; try again
│   ├── Corrupt           stored bytes do not match their digest or do not parse
│   ├── Conflict          somebody else wrote first; read again
│   ├── Denied            the key shown may not read this; asking again changes nothing
│   └── NotFound          no such release or key
├── SinkUnavailable       exposures and events cannot be kept now; send them again
└── Refused               a change that is possible but surprising; says how to insist
    └── InvalidFlag       a definition with faults; carries all of them, each with its path
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from burgee.model import Fault, Problem


class BurgeeError(Exception):
    """Base of everything that this library raises on purpose."""


class FlagFileError(BurgeeError):
    """A flag file cannot be used. `problems` holds every one found, in file order."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = tuple(problems)


class StoreError(BurgeeError):
    """Base of what a store can raise."""


class StoreUnavailable(StoreError):  # noqa: N818 - reads as the state that it names, as in botocore
    """The store gave no usable answer in time; the same call may succeed later."""


class Corrupt(StoreError):  # noqa: N818 - as above
    """Stored bytes differ from their digest, or do not parse."""


class Conflict(StoreError):  # noqa: N818 - as above
    """The state moved on since it was read, so nothing was written."""


class Denied(StoreError):  # noqa: N818 - as above
    """Whoever keeps the flags does not give them to this caller."""


class NotFound(StoreError):  # noqa: N818 - as above
    """The store holds no such thing."""


class SinkUnavailable(BurgeeError):  # noqa: N818 - as above
    """Records were not taken for good, or not all of them; the same call may succeed later."""


class Refused(BurgeeError):  # noqa: N818 - as above
    """A change that would surprise. `code` is stable; the message says how to insist."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class InvalidFlag(Refused):
    """A definition of `flag` that may not enter. `faults` has all that it brings, with paths within a snapshot."""

    def __init__(self, flag: str, faults: Sequence[Fault]) -> None:
        super().__init__("invalid-flag", "; ".join(map(str, faults)))
        self.flag = flag
        self.faults = tuple(faults)
