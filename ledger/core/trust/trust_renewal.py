"""Renewals of a trust file: the keys that the old file trusts sign the new one (``tallystick/trust-renewal@v1``).

Signed is a note text (C2SP signed-note), by the log's key of the old file and by witnesses of its policy, as for a
checkpoint. It cannot be mistaken for a checkpoint, whose second line is a decimal size, nor for a block note, whose
first line is another word.

    tallystick/trust-renewal@v1
    <id of the ledger>
    from <digest of the old file>
    to <digest of the new file>

A digest is over the canonical bytes of the file without its trusted blocks. These are each verifier's own: no
signature covers them, and no renewal has any.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import astuple, replace

from ledger.core.encoding import canonical
from ledger.core.encoding.decoding import decoder_of
from ledger.core.errors import MalformedInput, ProofRefused, SignatureRefused
from ledger.core.log import notes
from ledger.core.log.checkpoints import Cosignature, cosign_statement, require_quorum, verify_statement
from ledger.core.messages import Message
from ledger.core.trust.trust_file import Trust, TrustedChain, encode_trust, require_consistent

RENEWAL_FORMAT: Literal["tallystick/trust-renewal@v1"] = "tallystick/trust-renewal@v1"
MAX_SIGNATURES = 1024
_MORE_WITNESSES = Message("More witnesses of the old trust file co-sign it: tally trust cosign.")

SignatureLine = Annotated[str, Meta(max_length=notes.MAX_NOTE_LENGTH)]


class Renewal(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The new trust that replaces the one with the digest ``renews``; none of the signature lines is verified."""

    format: Literal["tallystick/trust-renewal@v1"]
    renews: Annotated[str, Meta(pattern=r"^sha256:[0-9a-f]{64}$(?!\n)")]
    signatures: Annotated[tuple[SignatureLine, ...], Meta(max_length=MAX_SIGNATURES)]
    trust: Trust

    def text(self) -> str:
        """Return the note text that is signed."""
        return f"{RENEWAL_FORMAT}\n{self.trust.log_id_text}\nfrom {self.renews}\nto {trust_digest(self.trust)}\n"

    def note(self) -> notes.SignedNote:
        """Return the text with its signature lines. Raises MalformedInput if one of these is none."""
        lines = (line for text in self.signatures for line in notes.parse_signature_lines(text))
        return notes.SignedNote(self.text(), tuple(lines))

    def with_signatures(self, lines: Iterable[notes.NoteSignature]) -> Renewal:
        """Return the renewal with these signature lines too, each once."""
        return replace(self, signatures=tuple(dict.fromkeys((*self.signatures, *(line.line() for line in lines)))))


class Consent(Struct, frozen=True):
    """Who of the old trust file has signed a renewal: the log's key or not, and which witnesses at what time."""

    by_log: bool
    witnesses: tuple[Cosignature, ...]


def trust_digest(trust: Trust) -> str:
    """Compute the digest of a trust file without its trusted blocks, as ``sha256:`` and hex."""
    return "sha256:" + sha256(encode_trust(_without_trusted_blocks(trust))).hexdigest()


def uncovered_blocks(trust: Trust) -> tuple[str, ...]:
    """Return the trusted blocks, which ``trust_digest`` does not cover: the chain's id, number and hash of each.

    Whoever passes a trust file on can add some: who believes it by its digest has to compare these with a node.
    """
    blocks = ((chain.chain_id, block) for chain in trust.chains for block in chain.trusted_blocks)
    return tuple(f"{chain_id} {block.number} {block.hash}" for chain_id, block in blocks)


def _without_trusted_blocks(trust: Trust) -> Trust:
    return replace(trust, chains=tuple(map(_contracts, trust.chains)))


def renew(old: Trust, new: Trust) -> Renewal:
    """Make the unsigned renewal of ``old`` by ``new``, without the trusted blocks of both.

    Raises MalformedInput if nothing changes, for another ledger, and if the new file would be for development.
    """
    successor = _without_trusted_blocks(new)
    renewal = Renewal(format=RENEWAL_FORMAT, renews=trust_digest(old), signatures=(), trust=successor)
    _require_successor(old, renewal)
    return renewal


def sign_renewal(renewal: Renewal, log_signer: notes.NoteSigner) -> Renewal:
    """Return the renewal with the signature of the log's key. Requires a signer of type ED25519."""
    return renewal.with_signatures(notes.sign_note(renewal.text(), log_signer).signatures)


def cosign_renewal(renewal: Renewal, witness: notes.NoteSigner, timestamp: int) -> Renewal:
    """Return the renewal with a witness's co-signature.

    Requires a witness's signer and 0 < timestamp < 2**63.
    """
    return renewal.with_signatures([cosign_statement(renewal.text(), witness, timestamp)])


def verify_renewal(renewal: Renewal, old: Trust, *, log_key_lost: bool = False) -> Consent:
    """Accept a renewal that the log's key and the quorum of witnesses of ``old`` have signed.

    With ``log_key_lost`` the quorum is enough; if the policy asks for no witness, nothing replaces the log's key.
    Raises MalformedInput as ``renew``, ProofRefused if it renews another file, SignatureRefused if a signature is
    missing or false, or if the quorum is not reached.
    """
    require_renews(renewal, old)
    note = renewal.note()
    by_log = note.signature_by(old.log_key) is not None
    if by_log:
        notes.verify_note(note, old.log_key)
    elif not log_key_lost or not old.policy.asks_for_witnesses:
        raise SignatureRefused(
            "the log's key has not signed the renewal",
            field="renewal.signatures",
            hint="If that key is lost, take the new trust file as you took the first, or its witnesses' word alone.",
        )
    if not old.policy.asks_for_witnesses:
        return Consent(by_log, ())
    cosignatures = verify_statement(str(note), old.policy.witnesses.values()) if note.signatures else ()
    require_quorum(old.policy, cosignatures, field="renewal.signatures", hint=_MORE_WITNESSES)
    return Consent(by_log, cosignatures)


def require_renews(renewal: Renewal, old: Trust) -> None:
    """Accept a renewal of ``old``. Raises ProofRefused if it renews another file, MalformedInput as ``renew``."""
    # Signatures are by the keys of one file: they renew that one and no other.
    if renewal.renews != trust_digest(old):
        raise ProofRefused(
            "it renews another trust file, {renewal.renews}",
            renewal=renewal,
            field="renewal.renews",
            hint="It was accepted already."
            if trust_digest(renewal.trust) == trust_digest(old)
            else "Accept the renewals in between first, in their order.",
        )
    _require_successor(old, renewal)


def accepted(renewal: Renewal, old: Trust) -> Trust:
    """Return the new trust with the trusted blocks that ``old`` has of chains that stay.

    Requires ``verify_renewal``.
    """
    trust = renewal.trust
    for chain in old.chains:
        stays = next((each for each in trust.chains if _contracts(each) == _contracts(chain)), None)
        if stays is not None:
            trust = trust.naming(stays, chain.trusted_blocks)
    return trust


def joined(renewals: Iterable[Renewal]) -> Renewal:
    """Merge copies of one renewal that different people have signed. Raises MalformedInput if they are not copies."""
    first, *copies = renewals
    for copy in copies:
        if copy.text() != first.text():
            raise MalformedInput("expected copies of one renewal, found two", field="renewal")
        first = first.with_signatures(copy.note().signatures)
    return first


def changes(new: Trust, old: Trust) -> tuple[tuple[str, str, str], ...]:
    """Return what differs in a new trust file, for those who sign or accept it: field, before, after.

    Trusted blocks are each verifier's own, and left aside.
    """
    files = map(_without_trusted_blocks, (old, new))
    fields = zip(Trust.__struct_encode_fields__, *map(astuple, files), strict=True)
    return tuple((name, _shown(before), _shown(after)) for name, before, after in sorted(fields) if before != after)


def _shown(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def parse_renewal(data: bytes) -> Renewal:
    """Parse a renewal. Raises MalformedInput, which names the field."""
    renewal = canonical.decode(data, decoder_of(Renewal), where="renewal")
    require_consistent(renewal.trust)
    renewal.note()
    return renewal


def encode_renewal(renewal: Renewal) -> bytes:
    """Encode the file as canonical bytes."""
    return canonical.encode(renewal)


def _require_successor(old: Trust, renewal: Renewal) -> None:
    new = renewal.trust
    # They are in no digest, so whoever passes a signed renewal on could name a block of his own as final.
    if new != _without_trusted_blocks(new):
        raise MalformedInput(
            "a renewal names no trusted blocks: they are each verifier's own", field="renewal.trust.chains"
        )
    # Keys of one ledger say nothing of another.
    if new.log_id != old.log_id:
        raise MalformedInput("the new trust file is of another ledger", field="renewal.trust.log_id")
    # Else a renewal could drop the witnesses.
    if new.development and not old.development:
        raise MalformedInput("a ledger does not become one for development", field="renewal.trust.development")
    if trust_digest(new) == renewal.renews:
        raise MalformedInput("the new trust file is the old one", field="renewal.trust")


def _contracts(chain: TrustedChain) -> TrustedChain:
    return replace(chain, trusted_blocks=())
