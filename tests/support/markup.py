"""Fragments of the console as a reader gets them."""

from __future__ import annotations

import re
from html import unescape


def text_of(html: str) -> str:
    """The text of a fragment, one blank between words."""
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", html)).split())
