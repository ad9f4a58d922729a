"""Markdown helpers: code blocks for any text, and truncation."""

from __future__ import annotations


def fenced(text: str) -> str:
    """Any text as a code block."""
    longest = max((len(run) for run in "".join(c if c == "`" else " " for c in text).split()), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{text.rstrip()}\n{fence}\n"


def cut(markdown: str, limit: int) -> str:
    """Truncates Markdown, closing open folded sections."""
    if len(markdown) <= limit:
        return markdown
    kept = markdown[: limit - 100].rpartition("\n")[0]
    return kept + "\n\n" + "</details>" * (kept.count("<details>") - kept.count("</details>")) + "\n\n… and more."
