"""Text in Markdown that stays what it is: as a block of code, and cut where it is too long."""

from __future__ import annotations


def fenced(text: str) -> str:
    """Text as a block of code, whatever is in it."""
    longest = max((len(run) for run in "".join(c if c == "`" else " " for c in text).split()), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{text.rstrip()}\n{fence}\n"


def cut(markdown: str, limit: int) -> str:
    """Markdown that is short enough; what is folded when it ends is closed."""
    if len(markdown) <= limit:
        return markdown
    kept = markdown[: limit - 100].rpartition("\n")[0]
    return kept + "\n\n" + "</details>" * (kept.count("<details>") - kept.count("</details>")) + "\n\n… and more."
