"""The page on which anybody checks a proof, with the verifier, its texts, and this server's trust file.

Files dropped there stay in the browser, and the page asks the server for nothing once it is loaded.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final, get_args

import msgspec
from fastapi import Request
from starlette.responses import RedirectResponse, Response

from api.console.shared.access import PublicVisitOf, page_router
from api.console.shared.rendering import PATH, language
from api.texts import Texts, later
from ledger.core.events import EVENT_TYPES
from ledger.core.events.terms import MatchResult
from ledger.core.trust.trust_file import encode_trust
from ledger.core.verification.heads import ABSENCE_STEPS
from ledger.core.verification.stream import CASE_STEPS
from ledger.core.verification.verify import EVENT_STEPS, STEPS
from ledger.i18n import Labels

router = page_router()


@router.get("/verify")
def verify_page(visit: PublicVisitOf) -> Response:
    """Show the page. The verifier runs in the browser, which sends nothing once the page is loaded."""
    trust = encode_trust(visit.service.parts.trust.trust).decode()
    words = msgspec.json.encode(words_in(language(visit.request))).decode()
    return visit.page("verify/verify.html", connects=False, trust=trust, words=words)


def to_verify_page(_request: Request) -> Response:
    """Redirect from the address printed on paper. The browser keeps what is behind its ``#``."""
    return RedirectResponse(f"{PATH}/verify", 307)


RESULTS: Final = ("checked", "failed", "not_checked")
MEANINGS: Final = {
    "intact": later("Nothing was changed since it was put into the ledger: every step that the verdict needs held."),
    "not_yet_anchored": later(
        "Nothing that is shown is wrong. No block that you trust is shown, so neither a record on a chain nor whether "
        "the key was revoked is proven: what shows it may have been left out. Step 4 says what helps. A proof that was "
        "fetched within ten minutes of the recording has no block as a rule: fetch it again. If it has none then "
        "either, tell the operator of the ledger."
    ),
    "unverifiable": later("Something is missing without which nothing is shown. The step says what."),
    "other_ledger": later(
        "It is of another ledger than the trust file, and proves nothing of that ledger. That is no sign that somebody "
        "changed it, nor that nobody did: drop the trust file of its own ledger."
    ),
    "tampered": later("A step failed. It is not said who did it, nor why."),
}
# The report's other statements; they are never mixed with the verdict, which is on integrity.
STATEMENTS: Final = {
    "integrity": later("Integrity: bytes, signatures, log and chain"),
    "conformity": later("Conformity: whether the custody rules allow the acts"),
    "completeness": later("Completeness: nothing left out, up to the entry named"),
}
STATED: Final = {
    "shown": later("shown"),
    "contradicted": later("contradicted"),
}
SAYS: Final = {
    "checking": later("Checking…"),
    "hashing": later("Hashing…"),
    "unread": later("could not be read"),
    "bundle": later("a bundle of one event"),
    "case_bundle": later("a bundle of case {stream} with {count} events"),
    "package": later("a package of the published versions of a model, {stream}: {count} events"),
    "absence": later("a file that shows that the log has no {stream}"),
    "attached": later(
        "a PDF with a bundle attached, which is checked in its place. What is printed on the PDF was not compared: "
        "compare it with the events below. The attachment is"
    ),
    "trust_dropped": later("a trust file: it is used from now on"),
    "pdf": later(
        "If this is a certificate, its bundle is attached to it and could not be read here: save the attachment with "
        "your reader of PDF files, and drop it here."
    ),
    "broken": later(
        "The verifier does not run in this browser, so nothing was checked. Load the page again, or use one of the two "
        "commands below."
    ),
    "refused": later("This is neither a bundle nor a trust file of this protocol:"),
    "by_server": later(
        "Checked against what this server says of itself. That is not independent: whoever runs the server could have "
        "written it. For a proof, drop a trust file that you have from an agency of your choice."
    ),
    "by_file": later("Checked against the trust file {name}. It proves as much as you trust whoever gave it to you."),
    "trust_digest": later("Its digest, without trusted blocks: {digest}"),
    "trusted_blocks": later(
        "It also names blocks, which this digest does not cover (chain, number, hash): {blocks}. "
        "Whoever gave it to you can have added them: compare them with a chain node of your own."
    ),
    "development": later("Development ledger: its chain and keys are for trying out, and prove nothing to others."),
    "fault": later("Step {step} {name}: {why}"),
    "fault_of": later("Event {number} of {count} ({event_type}), step {step} {name}: {why}"),
    "events": later("Each event by itself"),
    "event": later("Event"),
    "entry": later("Entry of the log"),
    "same": later("is the file that event {number} ({event_type}) records, at {field}"),
    "mentioned": later(
        "is a file that event {number} ({event_type}) mentions. That proves nothing of the item as it was registered: "
        "compare it with the registration, or with the case."
    ),
    "mentioned_other": later(
        "is a file that event {number} ({event_type}) mentions, and not the item as it was registered: event "
        "{registered} has another digest of it"
    ),
    "only_compared": later(
        "cannot be compared: this bundle has digests of what somebody found, and none that the item was registered with"
    ),
    "other": later("is no file of this bundle: none of the {count} digests that it records is this file's"),
    "none_recorded": later("cannot be compared: this bundle shows no digest of a file that was signed"),
    "no_bundle": later("is hashed: drop the bundle to compare it with"),
    "counts": later("A digest counts as far as the steps of its event hold."),
    "content": later("What was signed, value by value"),
    "withheld": later("The content is withheld."),
    "found": later(
        "This is what the code on paper leads to: ledger, event or case, and digest are the same. What else is printed "
        "on the paper was not compared: compare it with the content of the event, which is open below."
    ),
    "found_failed": later("The bundle claims to be what the code on paper leads to, which is not verified: see above."),
    "not_found": later("This is not what the code on paper leads to: no event of this bundle has the digest {digest}."),
    "found_other": later(
        "This is not what the code on paper leads to, though the digest is the same: event {event} of {stream} in "
        "ledger {log}."
    ),
    "another_ledger": later("The code is of another ledger than this server's: {log}. Drop that ledger's trust file."),
    "bad_code": later("What stands behind the # of this address is not the code of a paper of ours."),
}
# This verifier leaves the rules of custody out, whatever is in the bundle.
NOT_FOLDED: Final = later(
    "Whether every act was possible, and every time limit kept, the product's own verifier alone derives: "
    "tally proof check."
)


@cache
def words_in(language: str) -> dict[str, Any]:
    """Return verdicts, results, steps with their meanings, the verifier's reasons, and the page's own texts."""
    labels, texts = Labels(language), Texts(language)
    steps = {
        name: _step(labels, name) for name in (*dict((*STEPS, *EVENT_STEPS, *ABSENCE_STEPS)), *CASE_STEPS, "versions")
    }
    steps["custody"]["not_checked"] = texts(NOT_FOLDED)
    return {
        "verdicts": {word: labels.of("verdict", word) for word in MEANINGS},
        "meanings": {word: texts(text) for word, text in MEANINGS.items()},
        "statements": {word: texts(text) for word, text in STATEMENTS.items()},
        "stated": {word: texts(text) for word, text in STATED.items()}
        | {"not_checked": labels.of("result", "not_checked")},
        "results": {word: labels.of("result", word) for word in RESULTS},
        "steps": steps,
        "matches": {word: labels.of("match_result", word) for word in get_args(MatchResult)},
        "event_types": {name: labels.of("event_type", name) for name in EVENT_TYPES},
        "reasons": labels.all("verifier"),
        "says": {name: texts(text) for name, text in SAYS.items()},
    }


def _step(labels: Labels, name: str) -> dict[str, str]:
    """Return the name of a step, and what it means that it was checked, or was not."""
    meanings = {result: labels.find("paper", f"check.{name}.{result}") or "" for result in ("checked", "not_checked")}
    return {"name": labels.of("step", name)} | meanings
