"""Prints docs/scale.md: what the measured figures mean at AWS's published prices and limits.

python tests/benchmarks/scale.py > docs/scale.md
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

RESULTS = Path(__file__).with_name("results.json")

# Published by AWS for us-east-1, x86_64, November 2026: check them before you rely on them.
GB_SECOND = 0.0000166667
INVOCATIONS_MILLION = 0.20
HTTP_API_MILLION = 1.00
READ_UNITS_MILLION = 0.125
PARTITION_READS = 3_000
CPU_MEMORY_MB = 1_769  # of memory buy one whole CPU
NEW_ENVIRONMENTS = 1_000  # of one function in ten seconds
CONCURRENCY = 1_000  # of an account, until it is raised
MONTH_SECONDS = 30 * 86_400
WEBSOCKET_MINUTES_MILLION = 0.25
WEBSOCKET_MESSAGES_MILLION = 1.00
WRITE_UNITS_MILLION = 0.625
CONNECTION_HOURS = 2  # that API Gateway keeps one at most
FARGATE_HOUR = 0.04048 + 2 * 0.004445  # one CPU and 2 GB

MEMORY_MB = 1_024
REFRESH_SECONDS = 10
POINTER_UNITS = 0.5
CHUNK_BYTES = 350_000
PACKED = 0.2  # of a release's bytes, once compressed
PING_SECONDS = 480  # what an idle page says in, within API Gateway's ten minutes
CONNECT_MS = 20  # a connection's beginning and its end, with the table
SOCKET_KB = {"event stream": 13.7, "WebSocket": 19.9}  # tests/benchmarks/streams.py


def main() -> None:
    """Prints the page."""
    reported = json.loads(RESULTS.read_text(encoding="utf-8"))
    cold = reported["cold"]["figures"]["cases"]["byte code"]["burgee, table read at init"]
    init, first, warm = (cold[row][0] for row in ("init", "first", "warm"))
    share = MEMORY_MB / CPU_MEMORY_MB
    busy = warm / share  # milliseconds of an invocation where the environment has that share of a CPU
    rate = 1000 / max(busy, 1)
    billed = max(-(-busy // 1), 1) / 1000
    compute = billed * MEMORY_MB / 1024 * GB_SECOND * 1e6
    million = compute + INVOCATIONS_MILLION
    thousand = reported["growth"]["figures"]["flags"]["1000"]
    units = -(-thousand["bytes"] * PACKED // 8192) + 4
    environments = -(-10_000 // rate)
    polls = environments / REFRESH_SECONDS * POINTER_UNITS
    month = MONTH_SECONDS / REFRESH_SECONDS * POINTER_UNITS / 1e6 * READ_UNITS_MILLION
    held = thousand["held"] / 1e6
    lines = [
        "# Scale, on paper",
        "",
        f"Printed by `python tests/benchmarks/scale.py` from figures measured on {reported['cold']['date']} ([performance](performance.md))",
        "and AWS's published prices and limits for us-east-1 on x86_64, which are constants at the top of that script. Nothing",
        "here was measured on AWS.",
        "",
        "| | | from |",
        "|---|---|---|",
        f"| one Lambda environment | {rate:,.0f} requests/s | {warm:.2f} ms warm on a whole CPU, {share:.2f} of one at {MEMORY_MB} MB, at least 1 ms |",
        f"| a million evaluations, Lambda | ${million:.2f} | {billed * 1000:.0f} ms billed at {MEMORY_MB} MB, and the requests |",
        f"| the same with the HTTP API | ${million + HTTP_API_MILLION:.2f} | ${HTTP_API_MILLION:.2f} a million requests |",
        f"| a million flag answers, 100 in each request | ${(million + HTTP_API_MILLION) / 100:.3f} | if a bulk answer stays within the same millisecond |",
        f"| an environment's polls in a month | ${month:.3f} | {POINTER_UNITS} read units every {REFRESH_SECONDS} s |",
        f"| 10,000 requests/s | {environments:,.0f} environments | so {polls:,.1f} read units a second, of {PARTITION_READS:,} that one partition gives |",
        f"| their load from nothing | {-(-environments // NEW_ENVIRONMENTS) * 10:,.0f} s at most | {NEW_ENVIRONMENTS:,} new environments in ten seconds; an account begins with {CONCURRENCY:,} |",
        f"| 100 Lambdas cold at once, 1,000 flags | {100 * units:,.0f} read units | the state, the record and the chunks: {units:.0f} units each |",
        f"| the same, until each answers | {(init + first) / share:,.0f} ms | init and first answer at that share of a CPU; Lambda gives more during init |",
        f"| 1,000 flags in memory | {held:.1f} MB | every flag evaluated once |",
        f"| 1,000,000 flags in 1,000 tenants | {held * 1000 / 1024:.1f} GB in all | an environment holds the tenants that it is asked for |",
        f"| tenants of 1,000 flags that fit | {(MEMORY_MB - 128) / held:,.0f} | {MEMORY_MB} MB less 128 for the function |",
        "",
        "Several regions: each has its own stack, and answers from its own table and memory, so the figures hold in each.",
        "Releases and overrides are written in one home region and replicated by a global table; a region that falls behind",
        "or cannot reach its table goes on with the flags that it has.",
        "",
        f"The pointer of a tenant is one item on one partition: it carries {PARTITION_READS / POINTER_UNITS * REFRESH_SECONDS:,.0f} environments at the",
        "default refresh, after which the refresh must be longer.",
        *_live(),
    ]
    sys.stdout.write("\n".join(lines) + "\n")


def _live() -> list[str]:
    """What open pages cost, by the month and the thousand."""
    minutes = 1_000 * MONTH_SECONDS / 60 / 1e6 * WEBSOCKET_MINUTES_MILLION
    pings = 1_000 * MONTH_SECONDS / PING_SECONDS / 1e6 * WEBSOCKET_MESSAGES_MILLION
    connections = 1_000 * MONTH_SECONDS / 3_600 / CONNECTION_HOURS / 1e6
    functions = 2 * connections * (CONNECT_MS / 1000 * 0.5 * GB_SECOND * 1e6 + INVOCATIONS_MILLION)
    items = connections * (2 * WRITE_UNITS_MILLION + READ_UNITS_MILLION)
    change = 1_000 / 1e6 * (WEBSOCKET_MESSAGES_MILLION + READ_UNITS_MILLION / 20)
    looks = MONTH_SECONDS / 60 / 1e6
    idle = looks * (0.05 * GB_SECOND * 1e6 + INVOCATIONS_MILLION + 4 * READ_UNITS_MILLION)
    server = FARGATE_HOUR * MONTH_SECONDS / 3_600
    return [
        "",
        "## Open pages that are notified",
        "",
        "A thousand pages that are open all month, each of which evaluates by itself at the price above:",
        "",
        "| | a month | from |",
        "|---|---|---|",
        "| `Live=false`, as it is by default | $0 | nothing is created |",
        f"| `Live=true` and no page open | ${idle:.2f} | an invocation a minute, which reads little; Lambda's reads of the stream are free |",
        f"| connected to the WebSocket API | ${minutes:.2f} | minutes at ${WEBSOCKET_MINUTES_MILLION:.2f} a million |",
        f"| kept from being closed as idle | ${pings:.2f} | a message every {PING_SECONDS} s, ${WEBSOCKET_MESSAGES_MILLION:.2f} a million |",
        f"| connected again every {CONNECTION_HOURS} hours | ${functions + items:.2f} | two invocations, two writes and a read for each |",
        f"| 100 changes | ${100 * change:.2f} | a message to each, and the items read |",
        f"| together | ${minutes + pings + functions + items + 100 * change:.2f} | so ${10 * (minutes + pings + functions + items + 100 * change):,.0f} for 10,000 |",
        f"| by `burgee serve`, 20,000 on one process | ${server / 20:.2f} | one CPU and 2 GB of Fargate at ${server:.0f}, not counting a load balancer |",
        "",
        f"One process of `burgee serve` needs {SOCKET_KB['event stream']} KB for an event stream and {SOCKET_KB['WebSocket']} KB for a WebSocket:",
        f"{1_000 * SOCKET_KB['event stream'] / 1024:.0f} and {1_000 * SOCKET_KB['WebSocket'] / 1024:.0f} MB a thousand (`python tests/benchmarks/streams.py`).",
    ]


if __name__ == "__main__":
    main()
