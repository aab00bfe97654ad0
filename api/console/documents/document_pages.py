"""The documents of this release as pages: what help refers to is read where the work is done, without a network.

They are the Markdown files of ``docs/``, of which there is an English text alone. Links between them lead to pages;
what leads elsewhere stands there as an address, since pages of the console name no other site.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from markupsafe import Markup
from starlette.responses import Response

from api.console.shared.access import PublicVisitOf, page_router
from api.console.shared.rendering import CONSOLE, PATH
from api.dependencies import SlugPath
from ledger.core.errors import NotFound

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

# A release has them beside this module, a clone in its own folder.
_PLACES = (CONSOLE / "documents" / "docs", CONSOLE.parents[1] / "docs")
_FOLDERS = ("", "operations", "protocol", "decisions")
_PLAIN = re.compile(r"[^\w\- ]")

router = page_router()


class DocumentTitle(NamedTuple):
    """A document in the list of them, by its name in addresses: ``protocol--event`` for ``protocol/event.md``."""

    name: str
    title: str


class RenderedDocument(NamedTuple):
    """A document as a page shows it. ``sections`` are its headings of the second level, by their anchors."""

    title: str
    sections: dict[str, str]
    html: Markup


@router.get("/documents")
def list_documents(visit: PublicVisitOf) -> Response:
    """Show the documents: the guides, the protocol, and the decisions."""
    return visit.page("documents/documents.html", folders={folder: list(_titles(folder)) for folder in _FOLDERS})


@router.get("/documents/{document}")
def show_document(visit: PublicVisitOf, document: SlugPath) -> Response:
    """Show a document."""
    if document not in document_files():
        raise NotFound("there is no document {document}", document=document, field="document")
    return visit.page("documents/document.html", document=rendered(document))


@cache
def document_files() -> Mapping[str, Path]:
    """Return the files by the names of their documents."""
    root = next(place for place in _PLACES if place.is_dir())
    files = (file for folder in _FOLDERS for file in sorted((root / folder).glob("*.md")))
    return {_name_of(file.relative_to(root).as_posix()): file for file in files}


def _name_of(path: str) -> str:
    """Return the name of a document for the path of its file below ``docs``."""
    return path.removesuffix(".md").replace("/", "--").lower()


def _titles(folder: str) -> Iterator[DocumentTitle]:
    for name, file in document_files().items():
        if name.rpartition("--")[0] == folder:
            with file.open(encoding="utf-8") as text:
                yield DocumentTitle(name, text.readline().strip("# \n"))


@cache
def rendered(name: str) -> RenderedDocument:
    """Return the document of this name, which there must be."""
    tokens = _reader().parse(document_files()[name].read_text(encoding="utf-8"))
    title, sections = "", dict[str, str]()
    for place, token in enumerate(tokens):
        if token.type == "heading_open":
            text = "".join(part.content for part in tokens[place + 1].children or ())
            anchor = anchor_of(text)
            token.attrSet("id", anchor)
            title = title or text
            if token.tag == "h2":
                sections[anchor] = text
        if token.type in ("th_open", "td_open"):
            token.attrs.pop("style", None)  # the policy of pages allows none
        if token.type == "th_open" and not tokens[place + 1].content:
            token.tag = tokens[place + 2].tag = "td"  # a header without a word is none
        if token.type == "inline":
            token.children = list(_with_own_links(token.children or [], folder=name.rpartition("--")[0]))
    return RenderedDocument(title, sections, Markup(_reader().renderer.render(tokens, _reader().options, {})))  # noqa: S704 - of this release


def anchor_of(heading: str) -> str:
    """Return the anchor of a heading, as GitHub gives it."""
    return _PLAIN.sub("", heading.strip().lower()).replace(" ", "-")


@cache
def _reader() -> MarkdownIt:
    from markdown_it import MarkdownIt

    reader = MarkdownIt("commonmark", {"html": False}).enable("table")
    # What is wider than the window is pushed within itself, by the keyboard too.
    opened = '<div class="scroll" role="group" tabindex="0"><table>\n'
    reader.add_render_rule("table_open", lambda *_: opened)
    reader.add_render_rule("table_close", lambda *_: "</table></div>\n")
    reader.add_render_rule("fence", _command_block)
    return reader


def _command_block(_self: Any, tokens: list[Token], place: int, *_: Any) -> Markup:
    return Markup('<pre tabindex="0"><code>{}</code></pre>\n').format(tokens[place].content)


def _with_own_links(parts: list[Token], *, folder: str) -> Iterator[Token]:
    """Yield the parts of a line with links to pages; of what leads elsewhere, the text and the address behind it."""
    elsewhere: str | None = None
    for part in parts:
        match part.type:
            case "link_open":
                target = str(part.attrs["href"])
                page = _page_of(target, folder)
                if page is None:
                    elsewhere = target
                    continue
                part.attrSet("href", page)
            case "link_close" if elsewhere is not None:
                if elsewhere.startswith("http"):
                    yield _text(" (")
                    yield _token("code_inline", "code", elsewhere)
                    yield _text(")")
                elsewhere = None
                continue
            case "image":  # a picture is said in words
                yield _text(part.content)
                continue
        yield part


def _text(content: str) -> Token:
    return _token("text", "", content)


def _token(kind: str, tag: str, content: str) -> Token:
    from markdown_it.token import Token

    return Token(kind, tag, 0, content=content)


def _page_of(target: str, folder: str) -> str | None:
    """Return the page of what a document of the folder links to; None if it is no document."""
    file, _, anchor = target.partition("#")
    name = _name_of(posixpath.normpath(posixpath.join(folder, file))) if file else None
    if name is not None and name not in document_files():
        return None
    page = "" if name is None else f"{PATH}/documents/{name}"
    return page + (f"#{anchor}" if anchor else "")
