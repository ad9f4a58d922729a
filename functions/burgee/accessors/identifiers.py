"""Names of flags as identifiers, each of them different and the same in every run."""

from __future__ import annotations

import re
import zlib
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[A-Z]+|[0-9]+")


def words(name: str) -> list[str]:
    """The words of a name, such as `["checkout", "v", "2"]` of `checkoutV2`, `checkout-v2` and `checkout.v2`."""
    return _WORD.findall(name)


def snake(name: str) -> str:
    """The name in snake_case: `checkout_v2`."""
    spelled = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    return _lettered("_".join(re.findall(r"[A-Za-z0-9]+", spelled)).lower(), "flag_")


def pascal(name: str) -> str:
    """The name in PascalCase: `CheckoutV2`."""
    return _lettered("".join(word[:1].upper() + word[1:].lower() for word in words(name)), "Flag")


def camel(name: str) -> str:
    """The name in camelCase: `checkoutV2`."""
    found = pascal(name)
    return found[:1].lower() + found[1:]


def identifiers(names: Iterable[str], spell: Callable[[str], str], taken: Collection[str] = ()) -> dict[str, str]:
    """An identifier for each name. Those that would be the same get a checksum of their name, apart from one that is
    spelled so in the file; one that is in `taken` gets an underscore.
    """
    spelled = {name: spell(name) for name in names}
    shared = {found for found, count in Counter(spelled.values()).items() if count > 1}
    known, made = set(spelled.values()), {}
    for name, found in spelled.items():
        if found in shared and found != name:
            made[name] = f"{found}_{zlib.crc32(name.encode()):08x}"
            while made[name] in known:
                made[name] += "_"
        else:
            made[name] = f"{found}_" if found in taken else found
    return made


def _lettered(found: str, before: str) -> str:
    """An identifier begins with a letter."""
    return before + found if found[:1].isdigit() else found
