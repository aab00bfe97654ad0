"""Verification of a COSE receipt with its entry: bytes and a trust file in, numbered steps and one verdict out.

 1  form       receipt and entry are of the form that the protocol gives them
 2  signature  the entry is signed by the key it names, for the ledger of the trust file
 3  inclusion  the entry is in the tree whose root and size the log signed
 4  payload    what a receipt does not have, from here on: the payload,
 5  witnesses  co-signatures,
 6  authority  evidence of a grant,
 7  block      and an anchor

A receipt is worth what a bundle is without these: its verdict is never ``intact``.
"""

from __future__ import annotations

from ledger.core.events import decode_envelope
from ledger.core.log.checkpoints import Checkpoint
from ledger.core.log.cose_receipts import CoseReceipt, parse_receipt, thumbprint
from ledger.core.log.notes import VerifyingKey
from ledger.core.messages import Message
from ledger.core.trust.trust_file import Trust
from ledger.core.verification.report import Check, NotChecked, ProofReport, StepResult, perform, subject_of, worst
from ledger.core.verification.verify import COMPLETENESS, CONFORMITY, signed


class _Run:
    """A verification in progress: what its steps have read and accepted so far, None for what they have not."""

    def __init__(self, data: bytes, entry: bytes, trust: Trust):
        self.data = data
        self.trust = trust
        self.entry = entry
        self.envelope = decode_envelope(entry)
        self.receipt: CoseReceipt | None = None  # as step 1 read it
        self.checkpoint: Checkpoint | None = None  # as step 3 accepted it


def verify_receipt(data: bytes, entry: bytes, trust: Trust) -> ProofReport:
    """Verify a receipt, and the entry that it is of, against a trust file.

    Raises MalformedInput if it is no envelope; every other fault
    is a failed step of the report.
    """
    run = _Run(data, entry, trust)
    steps = tuple([perform(number, name, check, run) for number, (name, check) in enumerate(STEPS, 1)])
    index = run.receipt.index if run.receipt and run.checkpoint else None
    return ProofReport(
        verdict=worst([step.verdict for step in steps]),
        conformity=CONFORMITY,
        completeness=COMPLETENESS,
        development=trust.development,
        subject=subject_of(run.envelope, None, index, run.checkpoint),
        steps=steps,
    )


def log_key_of(receipt: CoseReceipt, trust: Trust) -> VerifyingKey:
    """Return the key for a receipt: the current one, unless an earlier one signed it for a tree up to its last."""
    return trust.log_key_at(receipt.size, lambda key: thumbprint(key) == receipt.key_id)


# 1
def _form(run: _Run) -> StepResult:
    run.receipt = parse_receipt(run.data)
    return Message("receipt and entry read strictly")


# 2
def _signature(run: _Run) -> StepResult:
    return signed(run.envelope, run.trust.log_id)


# 3
def _inclusion(run: _Run) -> StepResult:
    if run.receipt is None:
        return NotChecked("the receipt has not the form of step 1")
    log_key = log_key_of(run.receipt, run.trust)
    if run.receipt.key_id != thumbprint(log_key):
        return NotChecked(
            "the receipt is not by {vkey}, the log's key in the trust file: it is of another log; or an earlier "
            "key signed a tree that came after its time; or the trust file is from before that key was replaced "
            "(ask an agency for the renewal, which tally trust accept takes, or for its trust file of today); or "
            "whoever passed the receipt on spoiled it (ask for another copy)",
            vkey=log_key.vkey(),
        )
    run.checkpoint = run.receipt.verify(run.entry, log_key)
    return Message(
        "entry {run.receipt.index} of {run.receipt.size}, under the root {root} that the log signed",
        run=run,
        root=run.checkpoint.root.hex(),
    )


# 5
def _witnesses(run: _Run) -> StepResult:
    if not run.trust.policy.asks_for_witnesses:
        return NotChecked("the policy asks for no witness: this is a development ledger", "intact")
    return NotChecked("a receipt has no co-signatures: ask for the bundle of the event")


STEPS: tuple[tuple[str, Check[_Run]], ...] = (
    ("form", _form),
    ("signature", _signature),
    ("inclusion", _inclusion),
    (
        "payload",
        lambda run: NotChecked(
            "a receipt is of the entry, which has the digest {run.envelope.payload_digest} of the payload", run=run
        ),
    ),
    ("witnesses", _witnesses),
    ("authority", lambda _: NotChecked("a receipt has no evidence of a grant: ask for the bundle of the event")),
    ("block", lambda _: NotChecked("a receipt has no anchor: ask for the bundle of the event", "not_yet_anchored")),
)
