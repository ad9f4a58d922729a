"""Shapes of Python code that asks for a settled flag: `run(client, x)` before and after must do the same."""

from __future__ import annotations

from textwrap import dedent

HEAD = """\
log = []
def new(x): log.append(("new", x)); return "new"
def legacy(x): log.append(("legacy", x)); return "legacy"
"""
_OLD = {
    "if and else": """
        def run(client, x):
            if client.get_boolean_value("old", False):
                return new(x)
            else:
                return legacy(x)
    """,
    "early return": """
        def run(client, x):
            if client.get_boolean_value("old", False):
                return new(x)
            legacy(x)
            return "end"
    """,
    "negated early return": """
        def run(client, x):
            if not client.get_boolean_value("old", False):
                return legacy(x)
            new(x)
            return "end"
    """,
    "no else": """
        def run(client, x):
            total = [x]
            if client.get_boolean_value("old", False):
                total.append(1)
                total.append(2)
            return total
    """,
    "one line": """
        def run(client, x):
            if client.get_boolean_value("old", False): return new(x); legacy(x)
            return legacy(x)
    """,
    "elif is the flag": """
        def run(client, x):
            if x > 1:
                return "big"
            elif client.get_boolean_value("old", False):
                return new(x)
            else:
                return legacy(x)
    """,
    "elif is the negated flag": """
        def run(client, x):
            if x > 1:
                return "big"
            elif not client.get_boolean_value("old", False):
                return legacy(x)
            elif x == 0:
                return "zero"
            else:
                return new(x)
    """,
    "negated if with an elif": """
        def run(client, x):
            # why
            if not client.get_boolean_value("old", False):
                legacy(x)
            elif x == 1:
                return "one"
            else:
                new(x)
            return "end"
    """,
    "nested ifs": """
        def run(client, x):
            if x:
                if client.get_boolean_value("old", False):
                    if x > 1:
                        return new(x)
                    new(0)
                else:
                    return legacy(x)
            return "end"
    """,
    "ternary": """
        def run(client, x):
            return (new if client.get_boolean_value("old", False) else legacy)(x)
    """,
    "negated ternary in arithmetic": """
        def run(client, x):
            return 10 * (1 if not client.get_boolean_value("old", False) else x) + 1
    """,
    "chained ternary": """
        def run(client, x):
            return "a" if x > 1 else "b" if client.get_boolean_value("old", False) else "c"
    """,
    "and": """
        def run(client, x):
            return client.get_boolean_value("old", False) and x > 1
    """,
    "and on the right": """
        def run(client, x):
            return x and client.get_boolean_value("old", False)
    """,
    "or": """
        def run(client, x):
            return client.get_boolean_value("old", False) or new(x)
    """,
    "and in a condition": """
        def run(client, x):
            if x > 0 and client.get_boolean_value("old", False):
                return new(x)
            return legacy(x)
    """,
    "and with or inside": """
        def run(client, x):
            if client.get_boolean_value("old", False) and (x == 1 or x == 2):
                return new(x)
            return legacy(x)
    """,
    "or in a condition": """
        def run(client, x):
            if new(x) == "?" or not client.get_boolean_value("old", False):
                return "never"
            return "end"
    """,
    "is True": """
        def run(client, x):
            if client.get_boolean_value("old", False) is True:
                return new(x)
            return legacy(x)
    """,
    "is not, and equals": """
        def run(client, x):
            return [client.get_boolean_value("old", False) is not True, client.get_boolean_value("old", 0) == False]
    """,
    "a variable": """
        def run(client, x):
            use_new = client.get_boolean_value("old", False)
            if use_new:
                new(x)
            return [use_new, "n" if use_new else "o"]
    """,
    "an annotated variable in a closure": """
        def run(client, x):
            use_new: bool = client.get_boolean_value("old", False)
            def inner():
                return new(x) if use_new else legacy(x)
            return [inner() for _ in range(2) if use_new]
    """,
    "a variable that changes": """
        def run(client, x):
            use_new = client.get_boolean_value("old", False)
            if x > 1:
                use_new = False
            return new(x) if use_new else legacy(x)
    """,
    "a variable of a branch": """
        def run(client, x):
            if x:
                use_new = client.get_boolean_value("old", False)
            return use_new
    """,
    "a shadowed variable": """
        def run(client, x):
            on = client.get_boolean_value("old", False)
            def inner(on):
                return on
            return [inner(x), on]
    """,
    "a global variable": """
        ON = None
        def run(client, x):
            global ON
            ON = client.get_boolean_value("old", False)
            return ON
    """,
    "a default argument": """
        def made(client):
            def inner(x, on=client.get_boolean_value("old", False)):
                return new(x) if on else legacy(x)
            return inner
        def run(client, x):
            return [made(client)(x), made(client)(x, on=False)]
    """,
    "a keyword argument": """
        def inner(x, *, on):
            return new(x) if on else legacy(x)
        def run(client, x):
            return inner(x, on=client.get_boolean_value(flag_key="old", default_value=False))
    """,
    "a decorator": """
        def only(on):
            return lambda function: function if on else (lambda x: legacy(x))
        def run(client, x):
            @only(client.get_boolean_value("old", False))
            def inner(x):
                return new(x)
            return inner(x)
    """,
    "a lambda": """
        def run(client, x):
            pick = lambda: new(x) if client.get_boolean_value("old", False) else legacy(x)
            return pick()
    """,
    "a comprehension": """
        def run(client, x):
            return [n for n in range(x + 2) if client.get_boolean_value("old", False) and n]
    """,
    "a while loop that never runs": """
        def run(client, x):
            while not client.get_boolean_value("old", False):
                legacy(x)
            else:
                new(x)
            return "end"
    """,
    "a while loop with a condition": """
        def run(client, x):
            while x > 0 and client.get_boolean_value("old", False):
                new(x)
                x -= 1
            return x
    """,
    "continue in a loop": """
        def run(client, x):
            for n in range(3):
                if client.get_boolean_value("old", False):
                    new(n)
                    continue
                legacy(n)
            return x
    """,
    "raise": """
        def run(client, x):
            if not client.get_boolean_value("old", False):
                raise ValueError(x)
            if x > 1:
                raise KeyError(x)
            return new(x)
    """,
    "try and with": """
        import contextlib
        def run(client, x):
            try:
                with contextlib.suppress(KeyError):
                    if client.get_boolean_value("old", False):
                        raise KeyError(new(x))
                    return legacy(x)
            finally:
                log.append("finally")
    """,
    "async": """
        async def run(client, x):
            if await client.get_boolean_value_async("old", False):
                return new(x)
            return legacy(x)
    """,
    "an async variable": """
        async def run(client, x):
            on = await client.get_boolean_value_async("old", False)
            return [on, not on]
    """,
    "details": """
        def run(client, x):
            return new(x) if client.get_boolean_details("old", False).value else legacy(x)
    """,
    "a constant of the module": """
        OLD = "old"
        def run(client, x):
            if client.get_boolean_value(OLD, False):
                return new(x)
            return legacy(x)
    """,
    "a method with a context": """
        class Shop:
            def __init__(self, client): self.client = client
            def page(self, x):
                return new(x) if self.client.get_boolean_value("old", False, dict(user=x)) else legacy(x)
        def run(client, x):
            return Shop(client).page(x)
    """,
    "two flags": """
        def run(client, x):
            if client.get_boolean_value("old", False) and client.get_boolean_value("other", True):
                return new(x)
            return legacy(x)
    """,
    "an assert": """
        def run(client, x):
            assert client.get_boolean_value("old", False), "never"
            return new(x)
    """,
    "an empty branch": """
        def run(client, x):
            if client.get_boolean_value("old", False):
                pass
            else:
                legacy(x)
    """,
    "a generator that stays": """
        def run(client, x):
            yield x
            if client.get_boolean_value("old", False):
                yield new(x)
            yield 3
    """,
    "conditions in parentheses over lines": """
        def run(client, x):
            return (
                client.get_boolean_value("old", False)
                and (x > 1 or new(x))
            )
    """,
    "an f-string that shows a variable's name": """
        def run(client, x):
            on = client.get_boolean_value("old", False)
            return f"{on=}"
    """,
    "a variable that is deleted": """
        def run(client, x):
            on = client.get_boolean_value("old", False)
            found = [new(x)] if on else [x]
            del (on, x)
            return found
    """,
    "a variable that is read by its name": """
        def run(client, x):
            on = client.get_boolean_value("old", False)
            return "{on}".format(**locals())
    """,
    "a variable that a pattern captures": """
        def run(client, x):
            on = client.get_boolean_value("old", False)
            match [x]:
                case [on]:
                    pass
            return on
    """,
    "a variable that a pattern names, or takes the rest": """
        def run(client, x):
            on = client.get_boolean_value("old", False)
            rest = client.get_boolean_value("old", False)
            match [x, {"a": x}]:
                case [int() as on, {**rest}]:
                    pass
            return on, rest
    """,
    "a function of one's own with the plugin's name": """
        def flags(**given): log.append(given)
        def run(client, x):
            flags(old=True, other=client.get_boolean_value("old", False))
            return x
    """,
    "a docstring and a comment with the name": """
        def run(client, x):
            "old"
            # old
            return client.get_boolean_value("old", False)
    """,
}
_TEXT = {
    "a comparison of strings": """
        def run(client, x):
            if client.get_string_value("colour", "blue") == "green":
                return new(x)
            return legacy(x)
    """,
    "a match": """
        def run(client, x):
            match client.get_string_value("colour", "blue"):
                case "green":
                    return new(x)
                case _:
                    return legacy(x)
    """,
    "one of several, in an f-string": """
        def run(client, x):
            colour = client.get_string_value("colour", "blue")
            return [f"{colour}!", f'{client.get_string_value("colour", "blue")}', colour in ("green", "red")]
    """,
    "a key of a mapping": """
        def run(client, x):
            return {"green": new, "blue": legacy}[client.get_string_value("colour", "blue")](x)
    """,
    "an f-string of three quotes": """
        def run(client, x):
            return f\'\'\'{client.get_string_value("colour", "")!r:>10}\'\'\'
    """,
    "a chain of comparisons": """
        def run(client, x):
            colour = client.get_string_value("colour", "blue")
            if colour == "blue":
                return legacy(x)
            elif colour == "green":
                return new(x)
            else:
                return x
    """,
}
_NUMBER = {
    "an attribute of a number": """
        def run(client, x):
            return [client.get_integer_value("retries", 1).real, client.get_integer_value("retries", 1) ** 2]
    """,
    "a range": """
        def run(client, x):
            return [n + x for n in range(-client.get_integer_value("retries", 1))]
    """,
    "a float of a whole number": """
        def run(client, x):
            return repr(client.get_float_value("retries", 1.0))
    """,
}
_OBJECT = {
    "a mapping in an f-string": """
        def run(client, x):
            return f"{client.get_object_value('limits', {})['cpu']} {client.get_object_value('limits', {})}"
    """,
    "a value of a mapping": """
        def run(client, x):
            limits = client.get_object_value("limits", {})
            limits["own"] = x
            return [limits, client.get_object_value("limits", {})["cpu"]]
    """,
}
SHAPES = {
    name: (flag, HEAD + dedent(code))
    for flag, shapes in (("old", _OLD), ("colour", _TEXT), ("retries", _NUMBER), ("limits", _OBJECT))
    for name, code in shapes.items()
}

REFUSED = {
    "a name that is built": ('def run(client, x):\n    return client.get_boolean_value("o" + x, False)\n', (2, 37)),
    "a name in a variable": ("def run(client, x):\n    return client.get_boolean_value(x, False)\n", (2, 37)),
    "an f-string that fits": ('def run(client, x):\n    return client.get_boolean_value(f"o{x}", False)\n', (2, 37)),
    "a wrapper of one's own": ('def run(is_on, x):\n    return is_on("old")\n', (2, 18)),
    "details as a whole": ('def run(client):\n    return client.get_boolean_details("old", False)\n', (2, 12)),
    "another type": ('def run(client):\n    return client.get_string_value("old", "")\n', (2, 12)),
    "a binding in an argument": (
        'def run(client):\n    return client.get_boolean_value("old", False, (a := 1)), a\n',
        (2, 12),
    ),
    "arguments from elsewhere": (
        "def run(client, given):\n    return client.get_boolean_value(default_value=False, **given)\n",
        (2, 12),
    ),
    "a coroutine that is awaited elsewhere": (
        'async def run(client):\n    asked = client.get_boolean_value_async("old", False)\n    return await asked\n',
        (2, 13),
    ),
    "an f-string that shows its code": (
        "def run(client):\n    return f\"{client.get_boolean_value('old', False)=}\"\n",
        (2, 15),
    ),
    "a lambda that would be no generator": (
        'def run(client):\n    return lambda: 1 if client.get_boolean_value("old", False) else (yield 2)\n',
        (2, 12),
    ),
    "a keyword beside a bracket": (
        'def run(client, x):\n    if(client.get_boolean_value("old", False))and x: return 1\n',
        (1, 1),
    ),
    "a generator that would be none": (
        'def run(client):\n    if client.get_boolean_value("old", False):\n        return 1\n    yield 2\n',
        (1, 1),
    ),
    "a test of the other variant": ("def test(flags):\n    flags.set(old=False)\n", (2, 15)),
    "a name in a list": ('FLAGS = ["old", "beta"]\n', (1, 10)),
}
