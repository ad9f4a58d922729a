"""Shapes of TypeScript code that asks for a settled flag: `run(client, x)` before and after must do the same."""

from __future__ import annotations

from textwrap import dedent

HEAD = """\
// @ts-nocheck
export const log = [];
function fresh(x) { log.push(['fresh', x]); return 'fresh'; }
function legacy(x) { log.push(['legacy', x]); return 'legacy'; }
function h(type, props, ...children) {
  const shown = children.flat(9).filter((one) => one !== false && one !== true && one !== null && one !== undefined);
  return typeof type === 'function' ? type({ ...props, children: shown }) : { type, props, children: shown };
}
"""
_SYNC = {
    "if and else": """
        export function run(client, x) {
          if (client.getBooleanValue('old', false)) {
            return fresh(x);
          } else {
            return legacy(x);
          }
        }
    """,
    "early return": """
        export function run(client, x) {
          if (client.getBooleanValue('old', false)) {
            return fresh(x);
          }
          legacy(x);
          return 'end';
        }
    """,
    "negated early return without braces": """
        export function run(client, x) {
          if (!client.getBooleanValue('old', false)) return legacy(x);
          fresh(x);
          return 'end';
        }
    """,
    "no else": """
        export function run(client, x) {
          const total = [x];
          if (client.getBooleanValue('old', false)) {
            total.push(1);
            // and
            total.push(2);
          }
          return total;
        }
    """,
    "a block with a name of its own": """
        export function run(client, x) {
          if (client.getBooleanValue('old', false)) {
            const y = x + 1;
            fresh(y);
          }
          return x;
        }
    """,
    "a block with a name that is used outside": """
        export function run(client, x) {
          const y = 10;
          if (client.getBooleanValue('old', false)) {
            const y = x + 1;
            fresh(y);
          }
          return y;
        }
    """,
    "a block whose name is a global outside": """
        export function run(client, x) {
          if (client.getBooleanValue('old', false)) {
            const legacy = x;
            fresh(legacy);
          }
          return legacy(x);
        }
    """,
    "else if is the flag": """
        export function run(client, x) {
          if (x > 1) {
            return 'big';
          } else if (client.getBooleanValue('old', false)) {
            return fresh(x);
          } else {
            return legacy(x);
          }
        }
    """,
    "else if is the negated flag": """
        export function run(client, x) {
          if (x > 1) {
            return 'big';
          } else if (!client.getBooleanValue('old', false)) {
            return legacy(x);
          } else if (x === 0) {
            return 'zero';
          } else {
            return fresh(x);
          }
        }
    """,
    "negated if with an else if": """
        export function run(client, x) {
          // why
          if (!client.getBooleanValue('old', false)) {
            legacy(x);
          } else if (x === 1) {
            return 'one';
          } else {
            fresh(x);
          }
          return 'end';
        }
    """,
    "nested ifs": """
        export function run(client, x) {
          if (x) {
            if (client.getBooleanValue('old', false)) {
              if (x > 1) {
                return fresh(x);
              }
              fresh(0);
            } else {
              return legacy(x);
            }
          }
          return 'end';
        }
    """,
    "an if in a loop without braces": """
        export function run(client, x) {
          for (let n = 0; n < 3; n++) if (client.getBooleanValue('old', false)) fresh(n); else legacy(n);
          return x;
        }
    """,
    "ternary": """
        export function run(client, x) {
          return (client.getBooleanValue('old', false) ? fresh : legacy)(x);
        }
    """,
    "negated ternary in arithmetic": """
        export function run(client, x) {
          return 10 * (!client.getBooleanValue('old', false) ? 1 : x + 1) + 1;
        }
    """,
    "chained ternary": """
        export function run(client, x) {
          return x > 1 ? 'a' : client.getBooleanValue('old', false) ? 'b' : 'c';
        }
    """,
    "and": """
        export function run(client, x) {
          return client.getBooleanValue('old', false) && x > 1;
        }
    """,
    "and on the right": """
        export function run(client, x) {
          return x && client.getBooleanValue('old', false);
        }
    """,
    "or": """
        export function run(client, x) {
          return client.getBooleanValue('old', false) || fresh(x);
        }
    """,
    "nullish": """
        export function run(client, x) {
          return client.getBooleanValue('old', false) ?? fresh(x);
        }
    """,
    "and in a condition": """
        export function run(client, x) {
          if (x > 0 && client.getBooleanValue('old', false)) {
            return fresh(x);
          }
          return legacy(x);
        }
    """,
    "and with or inside": """
        export function run(client, x) {
          if (client.getBooleanValue('old', false) && (x === 1 || x === 2)) return fresh(x);
          return legacy(x);
        }
    """,
    "or in a condition": """
        export function run(client, x) {
          if (fresh(x) === '?' || !client.getBooleanValue('old', false)) {
            return 'never';
          }
          return 'end';
        }
    """,
    "triple equals": """
        export function run(client, x) {
          if (client.getBooleanValue('old', false) === true) {
            return fresh(x);
          }
          return client.getBooleanValue('old', false) !== false;
        }
    """,
    "double negation": """
        export function run(client, x) {
          return [!!client.getBooleanValue('old', false), !client.getBooleanValue('old', false)];
        }
    """,
    "a constant": """
        export function run(client, x) {
          const useFresh = client.getBooleanValue('old', false);
          if (useFresh) {
            fresh(x);
          }
          return [useFresh, useFresh ? 'n' : 'o', { useFresh }];
        }
    """,
    "a constant in a closure": """
        export function run(client, x) {
          const useFresh: boolean = client.getBooleanValue('old', false);
          const inner = () => (useFresh ? fresh(x) : legacy(x));
          return [1, 2].map(() => inner());
        }
    """,
    "a variable that changes": """
        export function run(client, x) {
          let useFresh = client.getBooleanValue('old', false);
          if (x > 1) useFresh = false;
          return useFresh ? fresh(x) : legacy(x);
        }
    """,
    "a shadowed constant": """
        export function run(client, x) {
          const on = client.getBooleanValue('old', false);
          const inner = (on) => on;
          return [inner(x), on];
        }
    """,
    "a constant of a block": """
        export function run(client, x) {
          if (x) {
            const on = client.getBooleanValue('old', false);
            fresh(on);
          }
          return typeof on;
        }
    """,
    "a default parameter": """
        export function run(client, x) {
          function inner(y, on = client.getBooleanValue('old', false)) {
            return on ? fresh(y) : legacy(y);
          }
          return [inner(x), inner(x, false)];
        }
    """,
    "an object's property": """
        export function run(client, x) {
          const options = { on: client.getBooleanValue('old', false), x };
          return options.on ? fresh(options) : legacy(options);
        }
    """,
    "a decorator": """
        function only(on) { return (_, context) => { log.push([context.name, on]); }; }
        export function run(client, x) {
          class Shop {
            @only(client.getBooleanValue('old', false))
            page() { return fresh(x); }
          }
          return new Shop().page();
        }
    """,
    "an arrow function": """
        export const run = (client, x) => client.getBooleanValue('old', false) ? fresh(x) : legacy(x);
    """,
    "a filter": """
        export function run(client, x) {
          return [0, 1, 2].filter((n) => client.getBooleanValue('old', false) && n > x);
        }
    """,
    "a while loop that never runs": """
        export function run(client, x) {
          while (!client.getBooleanValue('old', false)) {
            legacy(x);
          }
          return fresh(x);
        }
    """,
    "a while loop with a condition": """
        export function run(client, x) {
          while (x > 0 && client.getBooleanValue('old', false)) {
            fresh(x);
            x--;
          }
          return x;
        }
    """,
    "continue in a loop": """
        export function run(client, x) {
          for (const n of [0, 1, 2]) {
            if (client.getBooleanValue('old', false)) {
              fresh(n);
              continue;
            }
            legacy(n);
          }
          return x;
        }
    """,
    "throw, try and finally": """
        export function run(client, x) {
          try {
            if (!client.getBooleanValue('old', false)) throw new Error('never');
            if (x > 1) throw new Error(String(x));
            return fresh(x);
          } catch (error) {
            return error.message;
          } finally {
            log.push('finally');
          }
        }
    """,
    "a switch's case": """
        export function run(client, x) {
          switch (x) {
            case 1:
              if (client.getBooleanValue('old', false)) {
                return fresh(x);
              }
              return legacy(x);
            default:
              return 'other';
          }
        }
    """,
    "a hoisted function after a return": """
        export function run(client, x) {
          if (client.getBooleanValue('old', false)) {
            return inner(x);
          }
          legacy(x);
          function inner(y) { return fresh(y); }
        }
    """,
    "a hoisted generator after a return": """
        export function run(client, x) {
          if (client.getBooleanValue('old', false)) {
            return [...inner(x)];
          }
          return legacy(x);
          function* inner(y) { yield fresh(y); }
        }
    """,
    "an arrow function that gives an object": """
        export function run(client, x) {
          const one = () => client.getBooleanValue('old', false) && { a: x };
          const two = () => client.getBooleanValue('old', false) ? { a: x } : { b: x };
          const three = () => client.getBooleanValue('old', false) && { a: x } || { c: x };
          return [one(), two(), three()];
        }
    """,
    "a statement that would begin with a function": """
        export function run(client, x) {
          client.getBooleanValue('old', false) ? function () {} : {};
          return x;
        }
    """,
    "a method without its object": """
        export function run(client, x) {
          const shop = { n: 4, page() { return this ? this.n : 'none'; } };
          const found = [(client.getBooleanValue('old', false) ? shop.page : shop['page'])()];
          found.push(delete (client.getBooleanValue('old', false) ? shop.n : shop.page));
          return [found, shop.n];
        }
    """,
    "statements without semicolons": """
        export function run(client, x) {
          const a = fresh
          if (client.getBooleanValue('old', false)) {
            (function () { log.push(1) })()
          }
          const b = [[1], [2]]
          if (!client.getBooleanValue('old', false)) {
            legacy(x)
          }
          [0, 1].forEach((n) => log.push(n))
          const c = a
          client.getBooleanValue('old', false) ? (fresh)(x) : (legacy)(x)
          return [typeof a, b, typeof c]
        }
    """,
    "a constant before a semicolon": """
        export function run(client, x) {
          const a = fresh
          const on = client.getBooleanValue('old', false)
          ;[1].forEach((n) => log.push(n))
          const b = a
          const also = client.getBooleanValue('old', false); return [typeof b, on, also]
        }
    """,
    "a constant whose name a pattern declares": """
        export function run(client, x) {
          const on = client.getBooleanValue('old', false);
          return [[{ theme: x }].map(({ theme: on }) => on), on];
        }
    """,
    "a constant whose name a function or a class has": """
        export function run(client, x) {
          const on = client.getBooleanValue('old', false);
          const off = client.getBooleanValue('old', false);
          const named = function on() { return typeof on; };
          const also = class off { static kind() { return typeof off; } };
          return [named(), also.kind(), on, off];
        }
    """,
    "a constant in eval, and in a type": """
        export function run(client, x) {
          const on = client.getBooleanValue('old', false);
          const other: typeof on = on;
          function inner() {
            const on2 = client.getBooleanValue('old', false);
            return eval('typeof on2');
          }
          return [other, inner()];
        }
    """,
    "blocks whose names are in patterns and enums": """
        export function run(client, x) {
          const z = 9;
          if (client.getBooleanValue('old', false)) {
            const { a: z } = { a: x };
            enum E { A }
            fresh([z, E.A]);
          }
          return [z, typeof E];
        }
    """,
    "comments at every place": """
        export function run(client, x) {
          // before
          if (client.getBooleanValue('old', false)) { // behind
            // inside
            fresh(/a[/]b/.test('a')); // after
            /* last */
          } // tail
          return x;
        }
    """,
    "an element between words on two lines": """
        export function run(client, x) {
          const words = (element) => element.children.map((one) => one.type ? '<>' : one).join('');
          return words(<p>hello{!client.getBooleanValue('old', false) && <i />}
            world {client.getBooleanValue('old', false) && <b />}
            end</p>);
        }
    """,
    "a template with several lines": """
        export function run(client, x) {
          if (client.getBooleanValue('old', false)) {
            const text = `one
              two ${x}`;
            fresh(text);
          }
          return `${client.getBooleanValue('old', false)}`;
        }
    """,
    "details": """
        export function run(client, x) {
          return client.getBooleanDetails('old', false).value ? fresh(x) : legacy(x);
        }
    """,
    "a constant of the module": """
        const OLD = 'old';
        export function run(client, x) {
          if (client.getBooleanValue(OLD, false)) {
            return fresh(x);
          }
          return legacy(x);
        }
    """,
    "types in the call, and as": """
        export function run(client: any, x: number): string {
          return (client.getBooleanValue(`old`, false) as boolean) ? fresh(x) : legacy(x);
        }
    """,
    "two flags": """
        export function run(client, x) {
          if (client.getBooleanValue('old', false) && client.getBooleanValue('other', true)) return fresh(x);
          return legacy(x);
        }
    """,
    "a comment with the name": """
        // 'old'
        export function run(client, x) {
          /* old */
          return client.getBooleanValue('old', false);
        }
    """,
    "an element that is shown": """
        export function run(client, x) {
          return <div id="a">{client.getBooleanValue('old', false) && <b>{x}</b>}</div>;
        }
    """,
    "an element or another": """
        function Fresh({ x }) { return fresh(x); }
        export function run(client, x) {
          return <p>{client.getBooleanValue('old', false) ? <Fresh x={x} /> : <i>{legacy(x)}</i>} and {x}</p>;
        }
    """,
    "an element that is not shown": """
        export function run(client, x) {
          return <p>{!client.getBooleanValue('old', false) && <i>{legacy(x)}</i>}{x}</p>;
        }
    """,
    "an attribute": """
        export function run(client, x) {
          return <input disabled={!client.getBooleanValue('old', false)} value={x} />;
        }
    """,
    "a hook": """
        export function run(client, x) {
          const useBooleanFlagValue = (...asked) => client['getBooleanValue'](...asked);
          function Shop() {
            const on = useBooleanFlagValue('old', false);
            if (!on) {
              return <i>{legacy(x)}</i>;
            }
            return <b hidden={!on}>{fresh(x)}</b>;
          }
          return <Shop />;
        }
    """,
}
_TEXT = {
    "a comparison of strings": """
        export function run(client, x) {
          if (client.getStringValue('colour', 'blue') === 'green') return fresh(x);
          return legacy(x);
        }
    """,
    "a switch on the value": """
        export function run(client, x) {
          switch (client.getStringValue('colour', 'blue')) {
            case 'green': return fresh(x);
            default: return legacy(x);
          }
        }
    """,
    "a template": """
        export function run(client, x) {
          const colour = client.getStringValue('colour', 'blue');
          return `${colour}${x}` + (colour == 'green' ? 1 : 2) + colour.length;
        }
    """,
}
_NUMBER = {
    "a method of a number": """
        export function run(client, x) {
          return [client.getNumberValue('retries', 1).toFixed(1), x - client.getNumberValue('retries', 1)];
        }
    """,
    "a negative number behind a sign": """
        export function run(client, x) {
          const n = client.getNumberValue('retries', 1);
          return [-n, +n, ~n, x-n, x- -n, (n) ** 2, 2 ** n];
        }
    """,
}
_NONE = {
    "a number that is shown": """
        export function run(client, x) {
          return <p>{client.getNumberValue('none', 1)}{client.getNumberValue('none', 1) && <b />}{x}</p>;
        }
    """,
}
_OBJECT = {
    "a property of an object": """
        export function run(client, x) {
          const limits = client.getObjectValue('limits', {});
          const make = () => client.getObjectValue('limits', {});
          return [limits.cpu + x, make(), client.getObjectValue('limits', {}).zones];
        }
    """,
}
_ASYNC = {
    "await": """
        export async function run(client, x) {
          if (await client.getBooleanValue('old', false)) {
            return fresh(x);
          }
          return legacy(x);
        }
    """,
    "await in a condition": """
        export async function run(client, x) {
          const on = await client.getBooleanValue('old', false);
          return x > 1 && on ? fresh(x) : (await client.getBooleanValue('old', false)) && legacy(x);
        }
    """,
    "then": """
        export function run(client, x) {
          return client.getBooleanValue('old', false).then((on) => (on ? fresh(x) : legacy(x)));
        }
    """,
}
SHAPES = {
    name: (flag, HEAD + dedent(code), flag_is_async)
    for flag, flag_is_async, shapes in (
        ("old", False, _SYNC),
        ("colour", False, _TEXT),
        ("retries", False, _NUMBER),
        ("none", False, _NONE),
        ("limits", False, _OBJECT),
        ("old", True, _ASYNC),
    )
    for name, code in shapes.items()
}

REFUSED = {
    "a name that is built": ("client.getBooleanValue('o' + x, false);\n", (1, 24)),
    "a name in a variable": ("client.getBooleanValue(name, false);\n", (1, 24)),
    "a template that fits": ("client.getBooleanValue(`o${x}`, false);\n", (1, 24)),
    "a property of a constant": ("client.getBooleanValue(FLAGS.OLD, false);\n", (1, 24)),
    "a wrapper of one's own": ("if (isOn('old')) go();\n", (1, 10)),
    "details as a whole": ("const found = client.getBooleanDetails('old', false);\n", (1, 15)),
    "a hook that returns details": ("const { value } = useFlag('old', false);\n", (1, 19)),
    "another type": ("client.getStringValue('old', '');\n", (1, 1)),
    "a binding in an argument": ("client.getBooleanValue('old', (a = false));\n", (1, 1)),
    "a count in an argument": ("client.getBooleanValue('old', false, n += 1);\n", (1, 1)),
    "a deletion in an argument": ("client.getBooleanValue('old', false, delete a.b);\n", (1, 1)),
    "a binding of the client": ("(c = make()).getBooleanValue('old', false);\n", (1, 1)),
    "a client that may be missing": ("client?.getBooleanValue('old', false);\n", (1, 1)),
    "a hoisted variable": ("if (!client.getBooleanValue('old', false)) { var y = 1; }\nsend(y);\n", (1, 50)),
    "a hoisted variable after a return": (
        "function f() {\n  y = 1;\n  if (client.getBooleanValue('old', false)) return y;\n  var y;\n}\n",
        (4, 7),
    ),
}
