"""Working copies of kept files: what the examination says by which one is recorded."""

from __future__ import annotations

from ledger.core.messages import Message


def method_of(recipient: str) -> Message:
    """Return the method of the examination: a copy for somebody, and for what."""
    return Message("working copy of the kept file, for {recipient}", recipient=recipient)


def finding_of(before: str, after: str) -> Message:
    """Return its finding: the digest of the kept file, and that of the copy, read again from where it lies."""
    return Message("digest before {before}, of the copy after {after}", before=before, after=after)
