"""Right-to-left names on pages: each stands apart from what is around it, wherever a template puts it."""

from __future__ import annotations

from collections.abc import Iterator

from jinja2 import Environment
from jinja2.ext import Extension
from jinja2.lexer import Token, TokenStream
from markupsafe import Markup, escape

from ledger.i18n.bidi import isolated

# In these, values stay as they are: texts alone, in which a tag would be shown, and what is isolated already.
_LEFT_ALONE = ("title", "textarea", "option", "script", "style", "bdi")
_IN_DRAWINGS = "text"  # which show no element in them: there the characters of Unicode do it
_MARKS = ("\ufdd0", "\ufdd1")  # noncharacters, which escaping leaves as they are


def apart(value: object) -> object:
    """Return a text with its right-to-left names in elements ``bdi``; what is no text, or markup, stays as it is."""
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    marked = isolated(value, *_MARKS)
    if marked is value:
        return value
    return escape(marked).replace(_MARKS[0], Markup("<bdi>")).replace(_MARKS[1], Markup("</bdi>"))


def _isolated(value: object) -> object:
    return isolated(value) if isinstance(value, str) and not isinstance(value, Markup) else value


class RightToLeft(Extension):
    """Lets every value that a template puts into the text of a page pass through ``apart``, so that none is forgotten.

    Values in tags stay as they are.
    """

    def __init__(self, environment: Environment):
        super().__init__(environment)
        environment.filters |= {"apart": apart, "isolated": _isolated}

    def filter_stream(self, stream: TokenStream) -> Iterator[Token]:
        """Yield the tokens of the template with that filter around each value."""
        place, filter_name = _Place(), None
        for token in stream:
            if token.type == "data":
                place.pass_over(str(token.value))
            if token.type == "variable_end" and filter_name is not None:
                for kind, text in (("rparen", ")"), ("pipe", "|"), ("name", filter_name)):
                    yield Token(token.lineno, kind, text)
            yield token
            if token.type == "variable_begin":
                filter_name = place.filter_name
                if filter_name is not None:
                    yield Token(token.lineno, "lparen", "(")


class _Place:
    """The place in the markup that a template has come to."""

    def __init__(self) -> None:
        self._tag: str | None = None  # what is read of it so far, None outside
        self._quote: str | None = None  # of an attribute's value, None outside
        self._element: str | None = None  # of those named above

    @property
    def filter_name(self) -> str | None:
        """Return the filter of a value here, None in a tag and where values stay as they are."""
        if self._tag is not None or self._element in _LEFT_ALONE:
            return None
        return "apart" if self._element is None else "isolated"

    def pass_over(self, markup: str) -> None:
        """Go on by a piece of the template that is no expression."""
        for character in markup:
            if self._tag is None:
                self._tag = "" if character == "<" else None
            elif self._quote is not None:
                self._quote = None if character == self._quote else self._quote
            elif character in "\"'":
                self._quote = character
            elif character == ">":
                self._leave(self._tag.split()[0].lower() if self._tag.split() else "")
                self._tag = None
            else:
                self._tag += character

    def _leave(self, name: str) -> None:
        if self._element is None and name in (*_LEFT_ALONE, _IN_DRAWINGS):
            self._element = name
        elif name == f"/{self._element}":
            self._element = None
