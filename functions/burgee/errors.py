"""The exceptions of this library. Expected outcomes are results (`Evaluation`, `Problem`) instead.

BurgeeError
├── FlagFileError         the file has problems; carries all of them, each with its place
├── StoreError
│   ├── StoreUnavailable  no answer: timeout, throttling, refused connection; retry
│   ├── Corrupt           stored bytes do not match their digest or do not parse
│   ├── Conflict          another writer was first; read again
│   ├── Denied            the key may not read this; retrying does not help
│   └── NotFound          no such release or key
├── SinkUnavailable       exposures and events could not be stored; send them again
└── Refused               a change that needs confirmation; the message says how to give it
    └── InvalidFlag       a definition with faults; carries all of them, each with its path
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from burgee.model import Fault, Problem


class BurgeeError(Exception):
    """Base class of all exceptions of this library."""


class FlagFileError(BurgeeError):
    """A flag file is invalid. `problems` holds every problem found, in file order."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = tuple(problems)


class StoreError(BurgeeError):
    """Base class of a store's exceptions."""


class StoreUnavailable(StoreError):  # noqa: N818 - named after the state, as in botocore
    """The store gave no usable answer in time; the same call may succeed later."""


class Corrupt(StoreError):  # noqa: N818 - as above
    """Stored bytes differ from their digest, or do not parse."""


class Conflict(StoreError):  # noqa: N818 - as above
    """The state has changed since it was read, so nothing was written."""


class Denied(StoreError):  # noqa: N818 - as above
    """The service or store denies this caller access to the flags."""


class NotFound(StoreError):  # noqa: N818 - as above
    """The store has no such release or key."""


class SinkUnavailable(BurgeeError):  # noqa: N818 - as above
    """Not all records were stored; the same call may succeed later."""


class Refused(BurgeeError):  # noqa: N818 - as above
    """A change that was refused. `code` is stable; the message says how to proceed."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class InvalidFlag(Refused):
    """A definition of `flag` was refused. `faults` has all of its faults, with paths within a snapshot."""

    def __init__(self, flag: str, faults: Sequence[Fault]) -> None:
        super().__init__("invalid-flag", "; ".join(map(str, faults)))
        self.flag = flag
        self.faults = tuple(faults)
