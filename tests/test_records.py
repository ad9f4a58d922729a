"""Records are dataclasses to every caller, at any time: compared with those that `dataclasses` makes."""

from __future__ import annotations

import copy
import dataclasses
import pickle
import subprocess
import sys
from dataclasses import FrozenInstanceError
from typing import Any, NamedTuple

import pytest

from burgee import model, records, stores
from burgee.access.keys import Key, Kind

POINTER = stores.Pointer(3, "abc", 7, stores.Canary(2, 10.0, "s", "u"))
EXAMPLES: list[Any] = [
    stores.Tenant("shop"),
    POINTER,
    stores.Pointer(),
    stores.State(),
    stores.State(POINTER, {"a": model.Override("a", None, "ada", "why", "t", "t")}),
    stores.Release(1, "d", stores.Origin("c"), "t", 2, 3),
    stores.Change(activate=3),
    model.Evaluation(True, "on", model.Reason.STATIC, metadata={}),
    model.Place("flags.yaml", 3, 1),
    Key("id", Kind.SERVER, "app", (), "digest", "t", "ada"),
]


def twin(record: Any) -> Any:
    """The same record, its class made by `dataclasses`."""
    body: dict[str, Any] = {"__annotations__": dict.fromkeys(record.__slots__, "Any")}
    for one in dataclasses.fields(record):
        if one.default is not dataclasses.MISSING:
            body[one.name] = one.default
        elif one.default_factory is not dataclasses.MISSING:
            body[one.name] = dataclasses.field(default_factory=one.default_factory)
    made: Any = dataclasses.dataclass(frozen=True, slots=True)(type(type(record).__name__, (), body))
    return made(**{name: getattr(record, name) for name in record.__slots__})


@pytest.mark.parametrize("record", EXAMPLES, ids=repr)
def test_a_record_is_what_dataclasses_would_make_of_it(record: Any) -> None:
    other = twin(record)
    assert repr(record) == repr(other)
    assert dataclasses.is_dataclass(type(record))
    assert dataclasses.asdict(record) == dataclasses.asdict(other) == records.asdict(record)
    assert [one.name for one in dataclasses.fields(record)] == [one.name for one in dataclasses.fields(other)]
    assert type(record).__match_args__ == type(other).__match_args__
    assert not hasattr(record, "__dict__")
    for again in (copy.copy(record), copy.deepcopy(record), pickle.loads(pickle.dumps(record))):
        assert again == record
        assert again is not record
    first = record.__slots__[0]
    changed = dataclasses.replace(record, **{first: "another"})
    assert changed != record
    assert getattr(changed, first) == "another"
    assert changed == records.replace(record, **{first: "another"})
    assert record != other, "of another class"
    try:
        expected = hash(other)
    except TypeError:
        with pytest.raises(TypeError):
            hash(record)
    else:
        assert hash(record) == expected


class _Ours(records.NamedTuple):
    name: str
    place: tuple[int, int]
    weight: float = 1.5

    def heavier(self) -> float:
        return self.weight * 2


class _Theirs(NamedTuple):
    name: str
    place: tuple[int, int]
    weight: float = 1.5

    def heavier(self) -> float:
        return self.weight * 2


NAMED = [_Ours, _Theirs]


def _seen(named: Any) -> list[Any]:
    """What there is to see of a class of named tuples."""
    made = [named("a", (1, 2)), named("a", place=(1, 2), weight=3.0), named(weight=3.0, name="a", place=(1, 2))]
    first = made[0]
    changed = first._replace(weight=9.0)
    match changed:
        case named(name, place, weight):
            matched = [name, place, weight]
    again = [pickle.loads(pickle.dumps(first)), copy.copy(first), copy.deepcopy(first)]
    return [
        [tuple(one) for one in made],
        repr(first).removeprefix(named.__name__),
        first.heavier(),
        changed.weight,
        matched,
        first._asdict(),
        named._make(["b", (0, 0), 2.0]).weight,
        (named._fields, named.__match_args__, named._field_defaults, named.__slots__),
        (first == ("a", (1, 2), 1.5), hash(first) == hash(("a", (1, 2), 1.5)), made[1] == made[2], first < made[1]),
        all(one == first and type(one) is named for one in again),
        (named.__doc__ or "").startswith(named.__name__) or named.__doc__ is None,
        (named.__module__, named.__mro__[-2:], isinstance(first, tuple), hasattr(first, "__dict__")),
    ]


def test_a_named_tuple_is_what_typing_would_make_of_it() -> None:
    assert _seen(_Ours) == _seen(_Theirs)


@pytest.mark.parametrize("named", NAMED)
def test_a_named_tuple_refuses_what_the_other_refuses(named: Any) -> None:
    class Fresh(records.NamedTuple):
        name: str

    one: Any
    for one in (named, Fresh):
        wrong: list[tuple[Any, Any]] = [
            ((), {}),
            ((1, 2, 3, 4), {}),
            (("a",), {"name": "b"}),
            (("a", 1), {"colour": 2}),
        ]
        for arguments, more in wrong:
            with pytest.raises(TypeError):
                one(*arguments, **more)
    made = named("a", (1, 2))
    with pytest.raises(AttributeError):
        made.name = "b"
    with pytest.raises(AttributeError):
        made.colour = "red"
    with pytest.raises((TypeError, ValueError)):
        made._replace(colour="red")


@pytest.mark.parametrize("number", [1, records.FEW, 3 * records.FEW])
def test_first_and_later_instances_are_alike(number: int) -> None:
    """Few are made by one function for all classes, more by one that is compiled for theirs."""

    class Named(records.NamedTuple):
        name: str
        weight: float = 1.5

    @records.dataclass(frozen=True, slots=True)
    class Record:
        name: str
        weight: float = 1.5
        found: list[int] = records.field(default_factory=list)

    for made in (Named, Record):
        create: Any = made
        for _ in range(number):
            for one in (create("a"), create(name="a"), create("a", weight=1.5)):
                assert (one.name, one.weight) == ("a", 1.5)
            with pytest.raises(TypeError):
                create()
            with pytest.raises(TypeError):
                create("a", 1.0, [], 4)
            with pytest.raises(TypeError):
                create("a", colour=3)
            with pytest.raises(TypeError):
                create("a", name="b")
    assert Record("a").found is not Record("a").found


def test_a_record_cannot_be_changed() -> None:
    tenant = stores.Tenant()
    with pytest.raises(FrozenInstanceError):
        tenant.project = "other"  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        del tenant.project
    with pytest.raises((AttributeError, TypeError)):
        tenant.colour = "red"  # type: ignore[attr-defined]


@pytest.mark.parametrize(("arguments", "more"), [((1, 2, 3), {}), ((), {"colour": 1}), (("a",), {"project": "b"})])
def test_wrong_arguments_are_refused(arguments: tuple[Any, ...], more: dict[str, Any]) -> None:
    for _ in range(2):
        with pytest.raises(TypeError):
            stores.Tenant(*arguments, **more)
    assert stores.Tenant() == stores.Tenant("default", "default")


def test_what_is_missing_is_named() -> None:
    with pytest.raises(TypeError, match="digest"):
        stores.Release(1)  # type: ignore[call-arg]


def test_defaults_are_made_again() -> None:
    assert stores.State().overrides is not stores.State().overrides


def test_places_are_ordered_as_they_stand() -> None:
    places = [model.Place("b", 1, 1), model.Place("a", 2, 1), model.Place("a", 1, 9)]
    assert sorted(places) == [places[2], places[1], places[0]]
    assert places[1] >= places[2]
    assert places[1] <= places[1]
    assert str(places[0]) == "b:1:1"


def test_the_vocabulary_loads_no_dataclasses() -> None:
    code = "import sys, burgee.stores, burgee.model; burgee.stores.State(); sys.exit('dataclasses' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
