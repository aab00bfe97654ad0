"""What an audit finds, and the report that is made of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import Struct

from ledger.core.errors import TallystickError
from ledger.core.events.terms import Verdict
from ledger.core.verification.report import Step, worst
from ledger.i18n import Labels
from ledger.i18n.audit_words import finding_told

MAX_FINDINGS = 10_000  # kept; above it they are counted
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
)


class Finding(Struct, frozen=True):
    """A fault: the step that found it, the log index it is of (None where no entry can be named), and what differs.

    ``what`` is the English of ``word`` with its ``slots``, by which other languages tell it; reports from before these
    have it alone.
    """

    step: str
    index: int | None
    what: str
    expected: str | None = None
    found: str | None = None
    word: str = ""
    slots: dict[str, str] = {}


class AuditReport(Struct, frozen=True):
    """``scope`` is ``log`` or ``case <id>``; ``size`` and ``root`` are those of the tree that was audited.

    The first ``anchored_up_to`` entries are confirmed on the chain; of what was audited ``entries_since`` came later.
    ``findings`` are in the order of their indices, those without one last; ``left_out`` more were counted only.
    """

    verdict: Verdict
    development: bool
    scope: str
    size: int
    root: str
    steps: tuple[Step, ...]
    findings: tuple[Finding, ...]
    left_out: int = 0
    anchored_up_to: int = 0
    entries_since: int = 0


class Findings:
    """Collects findings and what each step has to say."""

    def __init__(self) -> None:
        self._kept: list[Finding] = []
        self._counts: dict[str, int] = {}
        self._said: dict[str, Step] = {}
        self._anchored_up_to = self._entries_since = 0

    def add(self, *findings: Finding) -> None:
        for one in findings:
            self._counts[one.step] = self._counts.get(one.step, 0) + 1
            if len(self._kept) < MAX_FINDINGS:
                self._kept.append(one)

    def checked(self, name: str, detail: str) -> None:
        """What the step compared, where it finds nothing."""
        self._said[name] = Step(STEPS.index(name) + 1, name, "checked", detail)

    def not_checked(self, name: str, why: str, verdict: Verdict = "intact") -> None:
        self._said[name] = Step(STEPS.index(name) + 1, name, "not_checked", why, verdict)

    def stop(self, why: str) -> None:
        """Leave every step unchecked that has found nothing and said nothing so far."""
        for name in STEPS:
            if name not in self._said:
                self.not_checked(name, why)

    def anchored(self, up_to: int, indices: Sequence[int]) -> None:
        """How much of what was audited, the entries ``indices``, is confirmed on the chain."""
        since = sum(index >= up_to for index in indices)
        self._anchored_up_to, self._entries_since = up_to, since
        if since == len(indices):
            self.not_checked("anchors", f"none of {since} entries is anchored for good yet", "not_yet_anchored")
        else:
            self.checked("anchors", f"{len(indices) - since} of {len(indices)} entries, {since} came since the anchor")

    def report(self, *, scope: str, development: bool, size: int, root: bytes) -> AuditReport:
        steps = tuple(self._step(number, name) for number, name in enumerate(STEPS, 1))
        findings = sorted(self._kept, key=lambda one: (one.index is None, one.index or 0))
        return AuditReport(
            verdict=worst(step.verdict for step in steps),
            development=development,
            scope=scope,
            size=size,
            root=root.hex(),
            steps=steps,
            findings=tuple(findings),
            left_out=sum(self._counts.values()) - len(findings),
            anchored_up_to=self._anchored_up_to,
            entries_since=self._entries_since,
        )

    def _step(self, number: int, name: str) -> Step:
        count = self._counts.get(name, 0)
        if not count:
            return self._said[name]
        indices = [f.index for f in self._kept if f.step == name and f.index is not None]
        first = f", the first at entry {min(indices)}" if indices else ""
        return Step(number, name, "failed", f"{count} findings{first}", "tampered")


def finding(
    step: str, index: int | None, word: str, /, expected: object = None, found: object = None, **slots: object
) -> Finding:
    """The finding that the catalogues tell by ``word``; a slot None is left out."""
    filled = {name: str(value) for name, value in slots.items() if value is not None}
    ought, stands = (None if one is None else str(one) for one in (expected, found))
    return Finding(step, index, finding_told(_ENGLISH, word, filled), ought, stands, word, filled)


def finding_of(step: str, index: int | None, error: TallystickError, word: str = "refused", **slots: object) -> Finding:
    """The finding that a refusal comes to."""
    if word == "refused" and error.field:
        word, slots = "refused_at", {"field": error.field}
    return finding(step, index, word, code=error.code, message=error.message, **slots)


def differences(step: str, index: int | None, of: str, pairs: Iterable[tuple[str, object, object]]) -> list[Finding]:
    """A finding for each (name, expected, found) that differs."""
    return [
        finding(step, index, "differs", str(expected), str(found), of=of, name=name)
        for name, expected, found in pairs
        if expected != found
    ]
