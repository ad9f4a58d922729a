"""`dataclass` and `field` for frozen records with slots, like those of `dataclasses`, at a tenth of the import cost.

A cold start creates every class again, and `dataclasses` compiles six methods for each. Here a class gets shared
methods at once, its `__init__` with its first instance, and `__dataclass_fields__` when a function of `dataclasses`
reads them. Type checkers see `dataclasses` itself.
"""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable
    from dataclasses import asdict, dataclass, field, replace

__all__ = ["asdict", "dataclass", "field", "replace"]

if not TYPE_CHECKING:

    def dataclass(*, frozen: bool, slots: bool, order: bool = False) -> Callable[[type], type]:
        """Turns a class into a frozen record with slots; other options are not supported."""
        if not (frozen and slots):
            raise TypeError("burgee.records makes frozen records with slots; use dataclasses for others")
        return _ordered if order else _record

    def field(*, default_factory: Callable[[], Any]) -> Any:
        """A default that is made anew for each instance."""
        return _Factory(default_factory)

    def asdict(record: Any) -> dict[str, Any]:
        """`dataclasses.asdict`, imported when it is called."""
        import dataclasses

        return dataclasses.asdict(record)

    def replace(record: Any, **changes: Any) -> Any:
        """`dataclasses.replace`, imported when it is called."""
        import dataclasses

        return dataclasses.replace(record, **changes)


class _Factory(NamedTuple):
    """A default that is made anew for each instance."""

    make: Callable[[], Any]


class _Fields:
    """`__dataclass_fields__`, created by `dataclasses` when first read."""

    def __get__(self, _instance: object, owner: Any) -> Any:
        import dataclasses

        defaults = {
            name: dataclasses.field(default_factory=one.make) if isinstance(one, _Factory) else one
            for name, one in owner._defaults.items()
        }
        twin: Any = type(owner.__name__, (), {"__annotations__": owner.__annotations__, **defaults})
        owner.__dataclass_fields__ = dataclasses.dataclass(frozen=True)(twin).__dataclass_fields__
        return owner.__dataclass_fields__


def _record(cls: type) -> type:
    names = tuple(cls.__annotations__)
    body = {name: one for name, one in vars(cls).items() if name not in {"__dict__", "__weakref__"}}
    defaults = {name: body.pop(name) for name in names if name in body}
    values = attrgetter(*names) if len(names) > 1 else lambda self: (getattr(self, names[0]),)
    own = {
        "__slots__": names,
        "__match_args__": names,
        "__dataclass_fields__": _Fields(),
        "_defaults": defaults,
        "_values": staticmethod(values),
    }
    return type(cls)(cls.__name__, cls.__bases__, _METHODS | body | own)


def _ordered(cls: type) -> type:
    from functools import total_ordering

    made: Any = _record(cls)
    made.__lt__ = lambda self, other: self._values(self) < other._values(other)
    return total_ordering(made)


def _init(self: Any, *arguments: Any, **more: Any) -> None:
    """Compiles the class's `__init__` for its first instance, and calls it."""
    cls = type(self)
    known: dict[str, Any] = {"_set": object.__setattr__}
    parameters, lines = ["self"], []
    for name in cls.__slots__:
        default = cls._defaults.get(name, _init)
        known[f"_{name}"] = default.make if isinstance(default, _Factory) else default
        parameters.append(name if default is _init else f"{name}=_{name}")
        value = f"_{name}() if {name} is _{name} else {name}" if isinstance(default, _Factory) else name
        lines.append(f"    _set(self, {name!r}, {value})\n")
    exec(f"def __init__({', '.join(parameters)}):\n{''.join(lines)}", known)  # noqa: S102 - names of fields
    cls.__init__ = known["__init__"]
    cls.__init__(self, *arguments, **more)


def _repr(self: Any) -> str:
    values = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.__slots__)
    return f"{type(self).__qualname__}({values})"


def _eq(self: Any, other: Any) -> bool:
    return self._values(self) == self._values(other) if type(other) is type(self) else NotImplemented


def _refuse(self: Any, name: str, *_value: object) -> None:
    from dataclasses import FrozenInstanceError

    raise FrozenInstanceError(f"{name!r} of a {type(self).__name__} cannot be changed")


def _setstate(self: Any, state: tuple[Any, ...]) -> None:
    for name, value in zip(self.__slots__, state, strict=True):
        object.__setattr__(self, name, value)


_METHODS: dict[str, Any] = {
    "__init__": _init,
    "__repr__": _repr,
    "__eq__": _eq,
    "__hash__": lambda self: hash(self._values(self)),
    "__setattr__": _refuse,
    "__delattr__": _refuse,
    "__getstate__": lambda self: self._values(self),
    "__setstate__": _setstate,
}
