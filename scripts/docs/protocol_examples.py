#!/usr/bin/env python3
"""Write the generated parts of docs/protocol/ and docs/views.md, and docs/examples.

The table of deadlines that were worked out by hand (docs/deadlines-worked.md) and the pages on what a ledger needs
(docs/capacity.md) and how fast it is (docs/performance.md) are written too.

    python -m scripts.docs.protocol_examples            writes them
    python -m scripts.docs.protocol_examples --check    exits 1 if the committed ones differ

What stands between ``<!-- table:NAME -->``, ``<!-- example:NAME -->`` or ``<!-- views -->`` and ``<!-- end -->`` is
generated: tables out of types and catalogues, worked examples out of the code. The rest is written by hand.

The verdicts and steps of docs/examples/spoiled.json are written by hand from docs/protocol/, not out of the code:
tests/e2e/browser_verifier holds both verifiers against them. So are those of receipts.json, about which
tests/unit/core/test_verify_receipt.py asks our verifier and a foreign one.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from base64 import b64encode
from collections.abc import Callable
from functools import cache, partial
from hashlib import sha256
from pathlib import Path

from ledger.core.encoding import canonical
from ledger.core.encoding.digests import blake3_text, keccak256
from ledger.core.ethereum import contract_changes
from ledger.core.events import Envelope, Payload, Section
from ledger.core.log import merkle, tiles
from ledger.core.log.checkpoints import Checkpoint, cosign_checkpoint
from ledger.core.log.tlog_proofs import TlogProof
from ledger.core.signing import signatures
from ledger.core.trust.trust_file import encode_trust
from ledger.core.verification.bundle import encode_bundle
from ledger.core.verification.verify import verify_event
from scripts.docs import (
    capacity,
    example,
    performance,
    receipt_vectors,
    spoiled_anchors,
    spoiled_bundles,
    spoiled_cosignatures,
    spoiled_forms,
    spoiled_maps,
    spoiled_mirrors,
    spoiled_revocations,
    spoiled_signatures,
    spoiled_trust,
    worked_deadlines,
)
from scripts.docs import protocol_tables as tables
from scripts.docs.chain_states import hexed
from scripts.docs.spoiled_cosignatures import tree_message
from scripts.docs.vector import on_page

ROOT = Path(__file__).resolve().parents[2]
PROTOCOL = ROOT / "docs" / "protocol"
VIEWS = ROOT / "docs" / "views.md"
EXAMPLES = ROOT / "docs" / "examples"

MARKED = re.compile(r"(?P<begin><!-- (?P<part>(?:table|example):[a-z_]+) -->\n).*?(?P<end><!-- end -->)", re.DOTALL)
MARKED_VIEWS = re.compile(r"(?<=<!-- views -->\n).*?(?=<!-- end -->)", re.DOTALL)
LEAVES = tuple(b'{"seq":%d}' % number for number in range(3))


def block(*lines: str, language: str = "") -> str:
    return "\n".join([f"```{language}", *lines, "```"])


def values(**shown: str) -> str:
    """Names and values, one a line."""
    widest = max(map(len, shown))
    return block(*(f"{name.replace('_', ' '):<{widest}}  {value}" for name, value in shown.items()))


def payload() -> str:
    """Show a payload with a section, and their digests."""
    shown = example.entries()[example.REGISTERED]
    section = canonical.encode(shown.sections["narrative"])
    return "\n\n".join(
        [
            f"The section `narrative`, {len(section)} bytes, and its digest:",
            block(section.decode(), blake3_text(section)),
            f"The payload, {len(shown.payload_bytes)} bytes, and its digest:",
            block(shown.payload_bytes.decode(), blake3_text(shown.payload_bytes)),
        ]
    )


def struct_words() -> list[tuple[str, bytes]]:
    """List the words of the struct of the example's envelope, in their order."""
    envelope = example.entries()[example.REGISTERED].envelope
    texts = {
        "summary": signatures.summary(envelope),
        "eventId": envelope.event_id,
        "eventType": envelope.event_type,
        "streamKind": envelope.stream.kind,
        "streamId": envelope.stream.id,
        "agency": envelope.agency,
    }
    numbers = {
        "sequence": envelope.sequence,
        "previous": int((envelope.previous or "blake3:0").partition(":")[2], 16),
        "payloadBlake3": int(envelope.payload_digest.partition(":")[2], 16),
        "signedAt": envelope.signed_at,
        "signer": int(envelope.key_id, 16),
    }
    words = {name: keccak256(text.encode()) for name, text in texts.items()}
    words |= {name: number.to_bytes(32, "big") for name, number in numbers.items()}
    return [(name, words[name]) for name, _ in signatures.EVENT_FIELDS]


def type_text(name: str, fields: tuple[tuple[str, str], ...]) -> str:
    return f"{name}({','.join(f'{kind} {field}' for field, kind in fields)})"


def types() -> str:
    """Show the EIP-712 types and their hashes."""
    lines = []
    for name, fields in (("EIP712Domain", signatures.DOMAIN_FIELDS), ("Event", signatures.EVENT_FIELDS)):
        text = type_text(name, fields)
        lines += [text, f"    {hexed(keccak256(text.encode()))}"]
    return block(*lines)


def signing() -> str:
    """Describe one signature with everything between the key and the entry."""
    shown = example.entries()[example.REGISTERED]
    envelope, words = shown.envelope, struct_words()
    type_hash = keccak256(type_text("Event", signatures.EVENT_FIELDS).encode())
    struct_hash = keccak256(type_hash + b"".join(word for _, word in words))
    digest = signatures.signing_hash(envelope, example.LOG_ID)
    assert digest == keccak256(b"\x19\x01" + signatures.domain_separator(example.LOG_ID) + struct_hash)
    return "\n\n".join(
        [
            values(
                secret_key=hexed(example.OFFICER_KEY.secret),
                public_key=hexed(example.OFFICER_KEY.public_key.format(compressed=False)),
                key_id=envelope.key_id,
                log_id=hexed(example.LOG_ID),
                domain_separator=hexed(signatures.domain_separator(example.LOG_ID)),
                summary=signatures.summary(envelope),
            ),
            "The words of the struct after its type hash:",
            values(**{name: hexed(word) for name, word in words}),
            values(struct_hash=hexed(struct_hash), signed_hash=hexed(digest), signature=envelope.signature),
            f"The log entry, {len(shown.data)} bytes, and its leaf hash:",
            block(shown.data.decode(), hexed(merkle.leaf_hash(shown.data))),
        ]
    )


def registry() -> str:
    """Two changes of the registry, word by word."""
    rolled, parts = example.LOG_ID, [values(hash_before_the_first_change=hexed(example.LOG_ID))]
    names = ("kind", "agency", "agencyKind", "account", "officer", "roles", "suite", "validFrom", "validUntil")
    for change in example.registry_changes()[:2]:
        words = contract_changes.contract_change(change).words()
        cells = [words[start : start + 32] for start in range(0, len(words), 32)]
        rolled = contract_changes.registry_hash(rolled, change)
        named = dict(zip((*names, "quorum", "procedure", "keccak256 of profile"), map(hexed, cells), strict=True))
        parts += [
            f"Change {change.number}, its words, and the hash after it:",
            values(**named, hash_after=hexed(rolled)),
        ]
    profile = contract_changes.profile_bytes(example.registry_changes()[0].profile)  # type: ignore[attr-defined]
    return "\n\n".join([*parts, "The profile of change 1:", block(profile.decode())])


def log_of_three() -> tuple[list[merkle.Hash], merkle.Growth, Checkpoint]:
    """Return the hashes of the leaves, what they grow an empty tree to, and its tree head."""
    leaves = [merkle.leaf_hash(leaf) for leaf in LEAVES]
    grown = merkle.grow(merkle.EMPTY_TREE, leaves)
    return leaves, grown, Checkpoint(example.LOG.verifying_key.name, 3, grown.root())


def log() -> str:
    """Show a log of three leaves: keys, checkpoint, proofs, bundle of entries."""
    leaves, grown, checkpoint = log_of_three()
    note = example.cosigned(checkpoint, [(example.WITNESS, example.COSIGNED_AT)])
    path = grown.inclusion_proofs()[2]
    return "\n\n".join(
        [
            "The keys, of the seeds 32 x 0x01 and 32 x 0x02:",
            block(example.LOG.verifying_key.vkey(), example.WITNESS.verifying_key.vkey()),
            "The checkpoint of three leaves `" + "`, `".join(leaf.decode() for leaf in LEAVES) + "`, co-signed at "
            f"{example.COSIGNED_AT}:",
            block(note.rstrip("\n")),
            "Leaf hashes, the inclusion proof of leaf 2, the consistency proof from size 2, and the root:",
            values(
                **{f"leaf_{number}": hexed(leaf) for number, leaf in enumerate(leaves)},
                inclusion=" ".join(b64encode(node).decode() for node in path),
                consistency=hexed(leaves[2]),
                root=hexed(grown.root()),
            ),
            "The bundle of these entries, `/tile/entries/000.p/3`:",
            block(tiles.encode_entry_bundle(LEAVES).hex()),
        ]
    )


def ml_dsa() -> str:
    """Show what an ML-DSA-44 key signs of the same checkpoint, and of a statement."""
    _, _, checkpoint = log_of_three()
    witness, at = example.ML_DSA_WITNESS, example.COSIGNED_AT
    key, message = witness.verifying_key, tree_message(end=checkpoint.size, root=checkpoint.root)
    signature = witness.sign(message)
    assert cosign_checkpoint(checkpoint, witness, at).signature == at.to_bytes(8) + signature
    return "\n\n".join(
        [
            f"The ML-DSA-44 key of the seed 32 x 0x0c under the name `{key.name}`, what it signs of that checkpoint "
            "at the same time,\nand its signature without chance (FIPS 204, 3.4):",
            values(
                sha256_of_the_public_key=hexed(sha256(key.public_key).digest()),
                key_id=hexed(key.key_id),
                message=hexed(message),
                sha256_of_the_signature=hexed(sha256(signature).digest()),
            ),
        ]
    )


def proof() -> str:
    """Show the tlog-proof of leaf 2 in the same log."""
    _, grown, checkpoint = log_of_three()
    return block(TlogProof(2, grown.inclusion_proofs()[2], example.cosigned(checkpoint, ())).to_text().rstrip("\n"))


def receipt() -> str:
    """Show the COSE receipt of an entry: its bytes, and what they mean in CBOR's diagnostic notation."""
    shown = receipt_vectors.receipt()
    root = example.Ledger(example.entries()).checkpoint.root
    path = [f"        h'{node.hex()}'," for node in shown.hashes]
    lines = [
        "18([",
        "  <<{",
        "    1: -8,",
        f"    4: h'{shown.key_id.hex()}',",
        f'    15: {{1: "{shown.issuer}", 2: "{shown.subject}"}},',
        "    395: 1,",
        f"    -70395: {shown.size}",
        "  }>>,",
        "  {396: {-1: [",
        f"    <<[{shown.size}, {shown.index}, [",
        *path,
        "    ]]>>",
        "  ]}},",
        "  null,",
        f"  h'{shown.signature.hex()}'",
        "])",
    ]
    data = shown.encode()
    return "\n\n".join(
        [
            block(*lines),
            f"Its {len(data)} bytes:",
            block(data.hex()),
            "The root, and the bytes that the key signs:",
            block(hexed(root), shown.signed_message(root).hex()),
        ]
    )


def verification() -> str:
    """Show what the verifier says of the example's bundle."""
    report = verify_event(encode_bundle(example.bundle()), example.trust()).report
    lines = [f"{step.number:>2} {step.name:<11} {step.result:<12} {step.detail}" for step in report.steps]
    return block(*lines, "", f"verdict: {report.verdict}")


@cache
def example_files() -> dict[str, bytes]:
    """Make the files that stand beside the document: by name, their bytes."""
    ledger = example.Ledger(example.entries())
    bundles = {
        "bundle.json": example.REGISTERED,
        "revoked.json": example.BY_COLLEAGUE,
        "mirror.json": 1,
        "sealed.json": example.SEALED,
    }
    examples = {name: encode_bundle(ledger.bundle(index)) for name, index in bundles.items()} | {
        "erased.json": encode_bundle(example.erased()),
        "case.json": encode_bundle(ledger.case_bundle()),
        "package.json": encode_bundle(ledger.package()),
        "system.json": encode_bundle(ledger.system_bundle()),
        "whole.json": encode_bundle(spoiled_maps.ledger().whole_case()),
        "absent.json": encode_bundle(spoiled_maps.ledger().absence(example.NO_CASE)),
        "trust.json": encode_trust(example.trust()),
        "log.jsonl": b"".join(entry.data + b"\n" for entry in ledger.entries),
        "receipt.cose": receipt_vectors.receipt().encode(),
        "receipt.entry.json": ledger.entries[example.REGISTERED].data,
        "receipts.json": receipt_vectors.encoded(),
    }
    return examples | {"spoiled.json": spoiled(examples)}


def spoiled(files: dict[str, bytes]) -> bytes:
    """Encode each vector as JSON, one a line, in the order of the steps that it spoils. ``files`` are published."""
    vectors = [
        *spoiled_bundles.entry_vectors(),
        *on_page("log", spoiled_cosignatures.cosignature_vectors()),
        *spoiled_signatures.signature_vectors(),
        *spoiled_anchors.anchor_vectors(),
        *on_page("registry", spoiled_mirrors.mirror_vectors()),
        *on_page("registry", spoiled_revocations.revocation_vectors()),
        *on_page("timestamp", spoiled_trust.timestamp_vectors()),
        *spoiled_bundles.stream_vectors(),
        *on_page("head-map", spoiled_maps.map_vectors()),
        *on_page("trust-file", spoiled_trust.trust_file_vectors()),
        *spoiled_forms.form_vectors(files),
    ]
    lines = ",\n".join(json.dumps(vector.as_json(files)) for vector in vectors)
    return f"[\n{lines}\n]\n".encode()


PARTS: dict[str, Callable[[], str]] = {
    **{f"table:{part.__name__}": part for part in (tables.types, tables.values, tables.signers, tables.mirror)},
    **{f"table:{part.__name__}": part for part in (tables.words, tables.vocabularies, tables.parts, tables.bodies)},
    **{f"table:{part.__name__}": part for part in (tables.numbers, tables.purposes, tables.clocks, tables.flags)},
    **{f"table:{kind.__name__.lower()}": partial(tables.fields_of, kind) for kind in (Payload, Envelope, Section)},
    **{f"example:{part.__name__}": part for part in (payload, types, signing, registry, log)},
    **{f"example:{part.__name__}": part for part in (ml_dsa, proof, receipt, verification)},
}


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 where anything differs")
    check = parser.parse_args(arguments).check
    files = generated()
    differing = [path for path, data in files.items() if not path.is_file() or path.read_bytes() != data]
    for path in differing:
        print(f"{'differs' if check else 'written'}: {path.relative_to(ROOT)}")
        if not check:
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(files[path])
    return 1 if check and differing else 0


def generated() -> dict[Path, bytes]:
    """Return every generated file and its bytes as they should be."""
    pages = {
        page: MARKED.sub(lambda mark: f"{mark['begin']}{PARTS[mark['part']]()}\n{mark['end']}", page.read_text("utf-8"))
        for page in sorted(PROTOCOL.glob("*.md"))
    }
    examples = {EXAMPLES / name: data for name, data in example_files().items()}
    views = MARKED_VIEWS.sub(lambda _: f"\n{tables.view_tables()}\n\n", VIEWS.read_text(encoding="utf-8"))
    pages |= {VIEWS: views, worked_deadlines.PAGE: worked_deadlines.page()}
    pages |= {capacity.PAGE: capacity.page(), capacity.CURVES: capacity.curves()}
    pages |= {performance.PAGE: performance.page()}
    return {path: text.encode() for path, text in pages.items()} | examples


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
