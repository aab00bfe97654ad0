"""What an audit says of its steps, in the reader's language: ``ledger.audit`` says it in English, for every reader."""

from __future__ import annotations

import re
from functools import cache
from typing import Final

from api.texts import Texts, later

SAID: Final = (
    later("{} changes, each with its number and rolling hash"),
    later("{} keys, each good where it was used"),
    later("the registry's mirror is broken: {}"),
    later("{} entries, none missing, each canonical and filed as its envelope says"),
    later("{} entries of case {}, each canonical and filed as its envelope says"),
    later("{} payloads with the digests that were signed, and their sections"),
    later("{} signatures"),
    later("the root at size {} follows from the entries, and every tile"),
    later("each entry is in the tree of size {}"),
    later("each event stands on the one before"),
    later("each act was possible, its flags are those of the rules"),
    later("what lists show is what the events come to"),
    later("each step was possible, by whom it belonged to"),
    later("{} published, signed by {}"),
    later("none is published yet"),
    later("the last one, of size {}"),
    later("{} records, {} changes of the registry"),
    later("none of {} entries is anchored for good yet"),
    later("{} of {} entries, {} came since the anchor"),
    later("{} records of reads"),
    later("shown by the audit of the whole log"),
    later("{} findings, the first at entry {}"),
    later("{} findings"),
    later("the audit failed; the service's own log says why"),
)


def told(said: str, say: Texts) -> str:
    """The same in the reader's language; as it is where it quotes what no list foresees, such as a chain's fault."""
    for template, pattern in _patterns():
        found = pattern.fullmatch(said)
        if found is not None:
            return say(template).format(*(told(part, say) for part in found.groups()))
    return said


@cache
def _patterns() -> list[tuple[str, re.Pattern[str]]]:
    return [(one, re.compile("(.+?)".join(map(re.escape, one.split("{}"))), re.DOTALL)) for one in SAID]
