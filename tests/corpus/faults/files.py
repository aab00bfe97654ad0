"""Faults of the file: what is no bundle at all."""

from __future__ import annotations

from tests.corpus.changes import put, without, written
from tests.corpus.faults.naming import refused

refused("byte order mark", lambda base: b"\xef\xbb\xbf" + written(base.tree))

refused("UTF-16", lambda base: written(base.tree).decode().encode("utf-16"))

refused("trailing bytes", lambda base: written(base.tree) + b"{}")

refused("trailing NUL", lambda base: written(base.tree) + b"\0")

refused("cut at the end", lambda base: written(base.tree)[:-1])

refused("nothing", lambda base: b"")

refused("a list", lambda base: written([base.tree]))  # type: ignore[arg-type]

refused("a comment", lambda base: written(base.tree) + b"//")

refused("comma before the end", lambda base: written(base.tree)[:-1] + b",}")

refused("invalid UTF-8 in the frame", lambda base: written(base.tree).replace(b"tlog-proof", b"tlog-\xc3proof", 1))

refused("unknown field", lambda base: base.tree | {"more": 1})

refused("unknown field __proto__", lambda base: base.tree | {"__proto__": {}})

refused("another format", lambda base: base.tree | {"format": "tallystick/bundle@v2"})

refused("key twice in the frame", lambda base: written(base.tree)[:-1] + b',"proof":"x"}')

refused("key twice by an escape", lambda base: written(base.tree)[:-1] + b',"\\u0070roof":"x"}')

refused("log_id in upper case", lambda base: put(base.tree, ("log_id",), lambda text: "0x" + text[2:].upper()))

refused("log_id too short", lambda base: put(base.tree, ("log_id",), lambda text: text[:-2]))

refused("sections that are null", lambda base: base.tree | {"sections": None})

refused("erased that is null", lambda base: base.tree | {"erased": None})

refused("label in another alphabet", lambda base: base.tree | {"sections": {"narr\u0430tive": {}}})

refused("label person:0", lambda base: base.tree | {"sections": {"person:0": {}}})

refused("proof that is no text", lambda base: base.tree | {"proof": 7})

refused("proof with half a surrogate", lambda base: written(base.tree).replace(b"tlog-proof", b"\\ud800", 1))

refused("nested 40 deep", lambda base: written(base.tree)[:-1] + b',"payload":' + b"[" * 40 + b"]" * 40 + b"}")

refused("nested 100,000 deep", lambda base: b"[" * 100_000)

for _field in ("format", "log_id", "envelope", "proof"):
    refused(f"{_field} left out", lambda base, field=_field: without(base.tree, (field,)))
