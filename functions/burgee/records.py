"""`dataclass` for frozen records with slots, and `NamedTuple`, as in the standard library and far cheaper to import.

A cold start creates every class again: `dataclasses` compiles six methods for each, `typing` one and inspects each
field. Here a class gets shared methods at once, an `__init__` or `__new__` of its own if it has many instances, and
`__dataclass_fields__` when a function of `dataclasses` reads them. Type checkers see the standard library's. Creating
a named tuple takes a third of the time of a record: use it for what every request creates.
"""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from dataclasses import asdict, dataclass, field, replace
    from typing import NamedTuple

FEW = 40
"""Instances of a class that are made without compiling anything: most classes that a start needs have fewer."""

__all__ = ["NamedTuple", "asdict", "dataclass", "field", "replace"]

if not TYPE_CHECKING:
    from _collections import _tuplegetter  # of which `collections.namedtuple` makes its fields

    class _Named(type):
        """Makes a named tuple of a class of fields."""

        def __new__(cls, name: str, bases: tuple[type, ...], body: dict[str, Any]) -> type:
            if not bases:
                return super().__new__(cls, name, bases, body)
            names = tuple(body["__annotations__"])
            body["_fields"] = body["__match_args__"] = names
            body["_field_defaults"] = {name: body[name] for name in names if name in body}
            body["__slots__"] = ()
            body["_first"] = []
            for index, field_name in enumerate(names):
                body[field_name] = _tuplegetter(index, None)
            return type(name, (_Tuple,), body)

    class NamedTuple(metaclass=_Named):
        """`typing.NamedTuple`."""

    def dataclass(*, frozen: bool, slots: bool, order: bool = False) -> Callable[[type], type]:
        """Turns a class into a frozen record with slots; other options are not supported."""
        if not (frozen and slots):
            raise TypeError("burgee.records makes frozen records with slots; use dataclasses for others")
        return _ordered if order else _record

    def field(*, default_factory: Callable[[], Any]) -> Any:
        """A default that is made for each instance."""
        return _Factory(default_factory)

    def asdict(record: Any) -> dict[str, Any]:
        """`dataclasses.asdict`, imported when it is called."""
        import dataclasses

        return dataclasses.asdict(record)

    def replace(record: Any, **changes: Any) -> Any:
        """`dataclasses.replace`, imported when it is called."""
        import dataclasses

        return dataclasses.replace(record, **changes)


class _Factory:
    """A default that is made for each instance."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self.make = make


class _Tuple(tuple[Any, ...]):
    """The methods of every named tuple."""

    __slots__ = ()
    _fields: tuple[str, ...]
    _field_defaults: dict[str, Any]
    _first: list[None]

    def __new__(cls, *arguments: Any, **more: Any) -> Any:
        """The first instances; a `__new__` of its own, faster and with Python's errors, is compiled for more."""
        cls._first.append(None)
        values = _complete(cls._fields, cls._field_defaults, arguments, more)
        if values is not None and len(cls._first) < FEW:
            return tuple.__new__(cls, values)
        known: dict[str, Any] = {f"_{name}": value for name, value in cls._field_defaults.items()}
        known["_new"] = tuple.__new__
        parameters = [f"{name}=_{name}" if name in cls._field_defaults else name for name in cls._fields]
        code = f"def __new__(_cls, {', '.join(parameters)}):\n    return _new(_cls, ({', '.join(cls._fields)},))\n"
        exec(code, known)  # noqa: S102 - names of fields
        cls.__new__ = staticmethod(known["__new__"])  # type: ignore[method-assign]
        return cls.__new__(cls, *arguments, **more)

    @classmethod
    def _make(cls, values: Any) -> Any:
        return cls(*values)

    def _replace(self, **changes: Any) -> Any:
        return type(self)(**{**self._asdict(), **changes})

    def _asdict(self) -> dict[str, Any]:
        return dict(zip(self._fields, self, strict=True))

    def __repr__(self) -> str:
        values = ", ".join(f"{name}={value!r}" for name, value in zip(self._fields, self, strict=True))
        return f"{type(self).__name__}({values})"

    def __getnewargs__(self) -> tuple[Any, ...]:
        return tuple(self)


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
        "_first": [],
        "_values": staticmethod(values),
    }
    return type(cls)(cls.__name__, cls.__bases__, _METHODS | body | own)


def _ordered(cls: type) -> type:
    from functools import total_ordering

    made: Any = _record(cls)
    made.__lt__ = lambda self, other: self._values(self) < other._values(other)
    return total_ordering(made)


def _init(self: Any, *arguments: Any, **more: Any) -> None:
    """Initializes the first instances; an `__init__` of its own is compiled for more, as for a named tuple."""
    cls = type(self)
    cls._first.append(None)
    values = _complete(cls.__slots__, cls._defaults, arguments, more)
    if values is not None and len(cls._first) < FEW:
        for name, value in zip(cls.__slots__, values, strict=True):
            object.__setattr__(self, name, value.make() if isinstance(value, _Factory) else value)
        return
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


def _complete(
    names: tuple[str, ...], defaults: dict[str, Any], arguments: tuple[Any, ...], more: dict[str, Any]
) -> list[Any] | None:
    """The values of all fields; None if the arguments do not fit."""
    values = [*arguments]
    named = 0
    for name in names[len(arguments) :]:
        if name in more:
            named += 1
            values.append(more[name])
        elif name in defaults:
            values.append(defaults[name])
        else:
            return None
    return values if named == len(more) and len(values) == len(names) else None


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
