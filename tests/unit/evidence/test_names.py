"""Names: spelled so that they come back as they were, shown so that nobody is fooled, told apart or refused."""

from __future__ import annotations

import os
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.core.errors import IntegrityBroken, MalformedInput
from ledger.evidence.names import (
    collation_key,
    distinct,
    from_line,
    printable,
    read_spelling,
    require_inside,
    require_portable,
    spell,
    to_line,
)

file_names = st.binary(min_size=1, max_size=40).filter(lambda name: b"\0" not in name).map(os.fsdecode)


@given(file_names)
def test_every_name_comes_back_from_its_spelling(name: str) -> None:
    """Whatever bytes it is of; and its line has one newline, at the end."""
    assert read_spelling(spell(name)) == name
    assert from_line(to_line(name)) == name
    assert to_line(name).count(b"\n") == 1


@given(file_names)
def test_shown_name_is_printable(name: str) -> None:
    """No control character, no invisible one, and nothing that UTF-8 cannot carry."""
    shown = printable(name)
    assert shown.isprintable()
    shown.encode()


@pytest.mark.parametrize(
    ("spelled", "path"),
    [("100%25", "100%"), ("a%0Ab", "a\nb"), ("a%0d%0ab", "a\r\nb"), ("%2525", "%25"), ("%41%2", "%41%2")],
)
def test_spelling_of_the_rfc_is_read(spelled: str, path: str) -> None:
    """Percent sign and line ends, in either case; other sequences stand for themselves."""
    assert read_spelling(spelled) == path


def test_paths_that_lead_out_or_are_too_long_are_refused() -> None:
    """Absolute, empty, dotted and NUL; dots and tildes in a name are no way out. 4096 bytes in UTF-8 are the most."""
    for path in ("", "/a", "a/", "a//b", "..", "a/../b", "./a", "a\0b"):
        with pytest.raises(IntegrityBroken):
            require_inside(path)
    for path in ("a", "a/b", "...", "a/..b", "~", "a b"):
        require_inside(path)
    require_portable("文" * 1365)
    with pytest.raises(MalformedInput, match="too long"):
        require_portable("文" * 1366)


@given(st.sets(st.text("aAbB\u00e9\u00c9/.", min_size=1, max_size=6), max_size=8))
def test_alike_paths_are_found_wherever_they_stand(names: set[str]) -> None:
    """Sorted by their keys, two paths that any pair's comparison would refuse are refused, and no others."""
    paths = sorted({name for name in names if all(name.split("/"))}, key=collation_key)

    def alike(path: str, second: str) -> bool:
        for a, b in zip(path.split("/"), second.split("/"), strict=False):
            if unicodedata.normalize("NFC", a.casefold()) != unicodedata.normalize("NFC", b.casefold()):
                return False
            if a != b:
                return True
        return False

    if any(alike(path, second) for path in paths for second in paths):
        with pytest.raises(MalformedInput, match="alone"):
            list(distinct(paths))
    else:
        assert list(distinct(paths)) == paths
