"""What rewriting a file takes and gives, in any language."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from burgee.accessors.flag_types import FlagType
from burgee.records import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence


class Answer(NamedTuple):
    """A settled flag: the value that everyone gets."""

    flag: str
    type: FlagType
    variant: str
    value: Any

    def asked_as(self, kind: str) -> Any:
        """What a call for values of a kind gets: `boolean`, `string`, `integer`, `float`, `number` or `object`.

        Raises ValueError for a kind that the flag does not have: such a call gets its own default.
        """
        if kind == self.type or (kind == "number" and self.type in {FlagType.INTEGER, FlagType.FLOAT}):
            return self.value
        if kind == "float" and self.type is FlagType.INTEGER:
            return float(self.value)
        raise ValueError(f"it asks for another type than the flag's: {kind}, not {self.type}")


class Accessor(NamedTuple):
    """The flag's function in a generated module, that module's path without ending, and whether it gives promises."""

    function: str
    module: str
    asynchronous: bool = False

    @property
    def module_name(self) -> str:
        """The module's name without its folders."""
        return self.module.rpartition("/")[2]


class Refusal(NamedTuple):
    """A use of the flag that cannot be rewritten: where (counted from 1), and why."""

    line: int
    column: int
    why: str


class Rewritten(NamedTuple):
    """A file's text after the rewriting, the number of evaluations that it had, and what was refused."""

    text: str
    uses: int
    refusals: Sequence[Refusal]


DYNAMIC = "the name is built at run time, and may be this flag's"
MENTION = "it names the flag in a way that is not understood"
DETAILS = "it reads more than the value"
EFFECTS = "its arguments do something beside giving a value"
GENERATOR = "the function would no longer be a generator"
UNAWAITED = "its coroutine is not awaited where it is made"
OPTIONAL = "the client may be missing (`?.`), and then nobody gets the flag's value"
HOISTED = "code that goes declares it, and other code uses it"
SHOWN = "an f-string with `=` shows the code itself"
QUOTED = "the value has quotes or a backslash, and stands in an f-string"
TIGHT = "a keyword or an operator has no space beside it, as in `if(x)and y`: format the file first"
BROKEN = "the code would no longer parse"
AMBIGUOUS = "generated modules of this name answer differently: with a promise, and without"
OTHER_VARIANT = "it sets another variant than everyone gets"
