"""The field types of flags.yaml: names, numbers, percentages and times, with their error messages."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
)
from pydantic_core import PydanticCustomError

from burgee.numeric import is_number
from burgee.times import parse_time

NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"


def _number(value: Any) -> Any:
    if not is_number(value):
        raise PydanticCustomError("number-expected", "a number is needed here, not {found}", {"found": shown(value)})
    return int(value) if isinstance(value, float) and value.is_integer() else value


def shown(value: Any) -> str:
    """A value as quoted in a message: at most 80 characters."""
    try:
        return repr(value)[:80]
    except ValueError:  # thousands of digits, which Python refuses to convert to a string
        return "a number of thousands of digits"


def _percentage(value: float) -> float:
    if not 0 <= value <= 100:
        raise PydanticCustomError("percentage-range", "{value} is not between 0 and 100", {"value": value})
    return three_decimals(value)


def three_decimals(value: float) -> float:
    """Refuses more digits than the hash distinguishes."""
    if round(value, 3) != value:
        raise PydanticCustomError("too-precise", "{value} has more than three decimals", {"value": value})
    return value


def _time(value: Any) -> Any:
    try:
        parse_time(value)
    except (TypeError, ValueError) as error:
        raise PydanticCustomError(
            "invalid-time",
            "{found} is not a time with its offset, such as 2027-03-01T09:00:00Z",
            {"found": shown(value)},
        ) from error
    return value


NO_VALUE = "this key has no value"
ALL = frozenset({"*"})

Switch = Annotated[bool, Field(strict=True)]
Number = Annotated[float | int, BeforeValidator(_number)]
Percentage = Annotated[
    Number, AfterValidator(_percentage), WithJsonSchema({"type": "number", "minimum": 0, "maximum": 100})
]
Time = Annotated[str, BeforeValidator(_time)]
Text = Annotated[str, Field(max_length=500)]
Name = Annotated[str, Field(pattern=NAME_PATTERN, max_length=255)]


class Part(BaseModel):
    """Refuses unknown keys and keys without a value: leave a key out instead.

    `NULLS` are the keys that may be null; `ALL` if all may.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    NULLS: ClassVar[frozenset[str]] = frozenset()

    @field_validator("*", mode="before")
    @classmethod
    def _has_value(cls, value: Any, info: ValidationInfo) -> Any:
        if value is None and cls.NULLS is not ALL and info.field_name not in cls.NULLS:
            raise PydanticCustomError("no-value", NO_VALUE, {})
        return value


def dump(part: Part) -> dict[str, Any]:
    """A model as JSON values, in declared order, with only the given keys."""
    return part.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_defaults=True)
