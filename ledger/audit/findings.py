"""Findings of an audit, and the report of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from ledger.audit.basis import Basis, ContinuedFrom
from ledger.core.errors import TallystickError
from ledger.core.events.terms import AuditVerdict, Verdict
from ledger.core.messages import Message
from ledger.core.trust.trust_file import Trust
from ledger.core.trust.trust_renewal import trust_digest
from ledger.core.verification.report import CheckedStep, Result, worst
from ledger.i18n import Labels
from ledger.i18n.audit_words import VALUES, finding_text
from ledger.store.database import key_names
from ledger.store.tables import TREE

MAX_FINDINGS = 10_000  # listed; further ones are only counted
HIDDEN = "…"  # in the place of what a reader may not see
_ENGLISH = Labels("en")

STEPS = (
    "registry",
    "entries",
    "payloads",
    "signatures",
    "authority",
    "streams",
    "custody",
    "models",
    "tree",
    "checkpoints",
    "anchors",
    "chain",
    "access",
    "supervision",
    "bindings",
    "schema",
    "maps",
)
# Of which an audit that goes on reads a part; the others it reads whole.
OF_ROWS = (
    *("entries", "payloads", "signatures", "authority", "streams", "custody", "models", "tree", "supervision"),
    "maps",
)


# On what everybody gets: the registry, the tree, the chain; and on no rows of a stream.
_PUBLIC_STEPS = ("registry", "tree", "checkpoints", "anchors", "chain", "access", "schema", "maps")
# What findings of the other steps may quote, by their words; those of earlier releases have none.
_QUOTING = ("", "refused", "refused_at", "impossible", "differs", "section", "flags", "place", "stream", "row", "bound")
_OF_ROWS = {"differs": "of", "row": "row", "bound": "row", "stream": "name"}  # the slots that name table and key


class AuditFinding(Struct, frozen=True):
    """A fault: the step that found it, its log index (None if no entry can be named), and what differs.

    ``what`` is the English text of ``word`` with its ``slots``; other languages render it from these. Reports of
    earlier releases have ``what`` alone.
    """

    step: str
    index: int | None
    what: str
    expected: str | None = None
    found: str | None = None
    word: str = ""
    slots: dict[str, Any] = {}

    @property
    def quotes_stream(self) -> bool:
        """Return whether it may tell what an event, or a row that follows from one, has in it."""
        return self.step not in _PUBLIC_STEPS and self.word in _QUOTING

    @property
    def named_stream(self) -> tuple[str, str] | None:
        """Return kind and id of the stream that its row is of, by the row's key; None if that does not show it."""
        name, *key = str(self.slots.get(_OF_ROWS.get(self.word, ""), "")).split(" ")
        if self.word == "stream":
            return (name, key[0]) if len(key) == 1 else None
        table = TREE.metadata.tables.get(name)
        columns = () if table is None else key_names(table)
        if "case_id" not in columns or len(key) != len(columns):
            return None
        return "case", key[columns.index("case_id")]

    def without_values(self) -> AuditFinding:
        """Return the finding with its step, index and kind, and the table of a row: without key, expected and found."""
        expected, actual = (side if side is None or side in VALUES else HIDDEN for side in (self.expected, self.found))
        if not self.word:
            return replace(self, what=HIDDEN, expected=expected, found=actual)
        slots = dict(self.slots)
        if name := _OF_ROWS.get(self.word):
            slots[name] = f"{str(slots[name]).partition(' ')[0]} {HIDDEN}"
        slots |= {name: HIDDEN for name in ("message", "label") if name in slots}
        sentence = finding_text(_ENGLISH, self.word, slots)
        return replace(self, what=sentence, expected=expected, found=actual, slots=slots)


class AuditReport(Struct, frozen=True):
    """The report; ``scope`` is ``log`` or ``case <id>``, ``size`` and ``root`` are those of the audited tree.

    The first ``anchored_up_to`` entries are confirmed on the chain; ``entries_since`` of the audited ones came later.
    ``findings`` are ordered by index, those without one last; ``left_out`` more were only counted.

    ``log_id`` is the ledger, ``trust_digest`` the digest of the trust file that everything was compared with; reports
    of earlier releases have neither.

    ``since`` is the audit that this one went on from, if it did not read everything. ``basis`` is what a later one can
    go on from, if nothing was found in the log.
    """

    verdict: AuditVerdict
    development: bool
    scope: str
    size: int
    root: str
    steps: tuple[CheckedStep, ...]
    findings: tuple[AuditFinding, ...]
    left_out: int = 0
    anchored_up_to: int = 0
    entries_since: int = 0
    since: ContinuedFrom | None = None
    basis: Basis | None = None
    log_id: str = ""
    trust_digest: str = ""


class AuditFindings:
    """Collects findings and the outcome of each step."""

    def __init__(self) -> None:
        self._kept: list[AuditFinding] = []
        self._counts: dict[str, int] = {}
        self._outcomes: dict[str, CheckedStep] = {}
        self._anchored_up_to = self._entries_since = 0
        self._since: ContinuedFrom | None = None

    def add(self, *findings: AuditFinding) -> None:
        for fault in findings:
            self._counts[fault.step] = self._counts.get(fault.step, 0) + 1
            if len(self._kept) < MAX_FINDINGS:
                self._kept.append(fault)

    def checked(self, name: str, detail: str) -> None:
        """Record what a step compared, for the case that it has no findings."""
        self._outcomes[name] = _step(name, "checked", detail)

    def not_checked(self, name: str, why: str, verdict: Verdict = "intact") -> None:
        self._outcomes[name] = _step(name, "not_checked", why, verdict)

    def stop(self, why: str) -> None:
        """Leave every step unchecked that has no findings and no outcome so far."""
        for name in STEPS:
            if name not in self._outcomes:
                self.not_checked(name, why)

    def anchored(self, up_to: int, indices: Sequence[int]) -> None:
        """Record how many of the audited entries, ``indices``, are confirmed on the chain."""
        since = sum(index >= up_to for index in indices)
        self._anchored_up_to, self._entries_since = up_to, since
        if since == len(indices):
            self.not_checked(
                "anchors", Message("none of {since} entries is anchored for good yet", since=since), "not_yet_anchored"
            )
        else:
            self.checked("anchors", Message("all entries but {since}, which came since the anchor", since=since))

    def went_on(self, since: ContinuedFrom) -> None:
        """Record that the steps on rows compared only a part of them; it bears the verdict of no whole audit."""
        self._since = since
        for name in OF_ROWS:
            if self._outcomes[name].result == "checked":
                self.not_checked(name, since.summary)

    def report(self, *, scope: str, trust: Trust, size: int, root: bytes) -> AuditReport:
        steps = tuple(self._counted(name) for name in STEPS)
        findings = sorted(self._kept, key=lambda fault: (fault.index is None, fault.index or 0))
        verdict = worst(step.verdict for step in steps)
        assert verdict != "other_ledger", "that is a verdict on files of others"
        return AuditReport(
            verdict="continued" if self._since is not None and verdict == "intact" else verdict,
            development=trust.development,
            scope=scope,
            size=size,
            root=root.hex(),
            steps=steps,
            findings=tuple(findings),
            left_out=sum(self._counts.values()) - len(findings),
            anchored_up_to=self._anchored_up_to,
            entries_since=self._entries_since,
            since=self._since,
            log_id=trust.log_id_text,
            trust_digest=trust_digest(trust),
        )

    def _counted(self, name: str) -> CheckedStep:
        count = self._counts.get(name, 0)
        if not count:
            return self._outcomes[name]
        indices = [f.index for f in self._kept if f.step == name and f.index is not None]
        counted = Message("{count} findings", count=count)
        if indices:
            counted = Message("{count} findings, the first at entry {index}", count=count, index=min(indices))
        return _step(name, "failed", counted, "tampered")


def _step(name: str, result: Result, detail: str, verdict: Verdict = "intact") -> CheckedStep:
    message = detail if isinstance(detail, Message) else Message(detail)
    return CheckedStep(STEPS.index(name) + 1, name, result, str(detail), verdict, message.packed())


def finding(
    step: str, index: int | None, word: str, /, expected: object = None, actual: object = None, **slots: object
) -> AuditFinding:
    """Return the finding with the catalogue entry ``word``; slots that are None are left out.

    ``expected`` and ``actual`` are passed by position or name.
    """
    filled = {
        name: value.packed() if isinstance(value, Message) else str(value)
        for name, value in slots.items()
        if value is not None
    }
    ought, stands = (None if side is None else str(side) for side in (expected, actual))
    return AuditFinding(step, index, finding_text(_ENGLISH, word, filled), ought, stands, word, filled)


def finding_of(
    step: str, index: int | None, error: TallystickError, word: str = "refused", **slots: object
) -> AuditFinding:
    """Return the finding for an error that a check raised."""
    if word == "refused" and error.field:
        word, slots = "refused_at", {"field": error.field}
    return finding(step, index, word, code=error.code, message=error.text, **slots)


def differences(
    step: str, index: int | None, of: str, pairs: Iterable[tuple[str, object, object]]
) -> list[AuditFinding]:
    """Return a finding for each (name, expected, found) that differs."""
    return [
        finding(step, index, "differs", str(expected), str(actual), of=of, name=name)
        for name, expected, actual in pairs
        if expected != actual
    ]
