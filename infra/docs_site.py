"""A hook of the documentation's site: the pages and files outside docs/ that pages link to become part of it."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import TYPE_CHECKING

from mkdocs.structure.files import File

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
LINK = re.compile(r"\]\((?![a-z]+:|#)([^)#\s]+)(#[^)]*)?\)")
PAGES = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "SECURITY.md": "reporting.md",
    "CODE_OF_CONDUCT.md": "conduct.md",
}
"""Pages of the repository's root, by their names in the site."""
SOURCES = {page: source for source, page in PAGES.items()}


def place(path: str) -> str:
    """Where a path of the repository lies in the site."""
    return path.removeprefix("docs/") if path.startswith("docs/") else PAGES.get(path, f"repository/{path}")


def target(page: str, link: str) -> str:
    """The path in the repository that a link of a page of the site leads to."""
    folder = "" if page in SOURCES else posixpath.join("docs", posixpath.dirname(page))
    return posixpath.normpath(posixpath.join(folder, link))


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the pages of the root, and every file outside docs/ that a page links to."""
    pages = {
        page.src_uri: Path(page.abs_src_path or "").read_text(encoding="utf-8")
        for page in files.documentation_pages()
    }
    pages |= {page: (ROOT / source).read_text(encoding="utf-8") for source, page in PAGES.items()}
    for page in SOURCES:
        files.append(File.generated(config, page, content=pages[page]))
    linked = {target(page, match[1]) for page, text in pages.items() for match in LINK.finditer(text)}
    for path in sorted(linked):
        if place(path).startswith("repository/") and (ROOT / path).is_file():
            files.append(File.generated(config, place(path), content=(ROOT / path).read_bytes()))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Leads links to the places that their targets have in the site; a folder's link leads to its index."""
    del config, files
    source = page.file.src_uri

    def led(match: re.Match[str]) -> str:
        path = target(source, match[1])
        if (ROOT / path).is_dir():
            path = f"{path}/README.md"
        return f"]({posixpath.relpath(place(path), posixpath.dirname(source) or '.')}{match[2] or ''})"

    return LINK.sub(led, markdown)
