"""``tally log`` and ``anchor``: tree heads, copies of the log, and how much of it is anchored in the chain."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import click

from ledger.cli.command import Group, output_option
from ledger.cli.commands.trust import kept_beside
from ledger.cli.errors import Exit
from ledger.cli.files import save
from ledger.cli.options import COSE, Node, takes_node
from ledger.cli.output import columns, printable, printable_json
from ledger.cli.params import FILE
from ledger.cli.proofs import anchor_block, take_receipt
from ledger.cli.session import Session
from ledger.client.log_copy import (
    decoded_entries,
    fetch_checkpoint,
    fetch_entry,
    fetch_entry_proof,
    fetch_trust,
    save_log,
    verified_checkpoint,
)
from ledger.client.tree_heads import require_continued
from ledger.config.secret_files import write_secret
from ledger.core.errors import IntegrityBroken, SignatureRefused
from ledger.core.trust.trust_file import encode_trust
from ledger.core.trust.trust_renewal import changes, trust_digest, uncovered_blocks

ENTRY = columns("index", "signed_at", "event_type", "stream.kind", "stream.id", "sequence", "agency")


@click.group("log", cls=Group)
def log_group() -> None:
    """Read the public log: checkpoint, entries, consistency, trust file. How it stands: 'tally anchor status'."""


@log_group.command("trust")
@output_option(default="-")
@click.option("--pin", is_flag=True, help="Let the profile check its proofs with it from now on.")
@click.option("--policy", is_flag=True, help="As a C2SP tlog-policy: log and witnesses, as other programs take them.")
@click.option(
    "--block",
    "blocks",
    metavar="NUMBER|latest-final",
    multiple=True,
    help="Write the hash of this final block into it, so that proofs can end there.",
)
@click.option(
    "--block-of",
    "bundles",
    type=click.File("rb"),
    multiple=True,
    help="The same of the block that the proofs in this file end in: a bundle, that of a case, or a model package.",
)
@takes_node
def trust(
    session: Session,
    *,
    output: Path | None,
    pin: bool,
    policy: bool,
    blocks: tuple[str, ...],
    bundles: tuple[BinaryIO, ...],
    node: Node | None,
) -> None:
    """Print or write the trust file. Compare it with what the agencies have published before you rely on it.

    With --pin, --replace is also for another one that is pinned, by which the profile has checked its proofs. The new
    one's digest is printed: compare that with what the other agencies have. It does not cover the hashes of
    blocks: those are printed beside it.

    Hashes of blocks come from the service, or from the chain node at --rpc: who trusts them trusts that.
    """
    of_bundles = sorted({block[1] for bundle in bundles if (block := anchor_block(bundle.read()))})
    named = [*blocks, *map(str, of_bundles)]
    if node is None:
        trusted = fetch_trust(session, named)
    else:
        from ledger.cli.own_node import OwnNode

        without = fetch_trust(session)
        own = OwnNode(node, without)
        trusted = without.naming(own.chain, [own.final(block) for block in named])
    data = encode_trust(trusted)
    if pin:
        kept = session.profiles.trust(session.profile)
        if (pinned := session.trust()) is not None and (differs := changes(trusted, pinned)):
            if not session.replaces:
                raise _another_trust(differs, trust_digest(trusted))
            kept_beside(kept, pinned)
        write_secret(kept, data, field="trust", replace=True)
        if not (output or policy):
            blocks = uncovered_blocks(trusted)
            beside = {"trusted_blocks": list(blocks)} if blocks else {}
            return session.output.record({"file": str(kept), "digest": trust_digest(trusted)} | beside)
    if output:
        return save(session, output, trusted.tlog_policy.encode() if policy else data)
    if policy and not session.json:
        return click.echo(printable(trusted.tlog_policy), nl=False)
    if policy:
        return session.output.data({"policy": trusted.tlog_policy})
    # A trust file has one spelling: a newline would make another file of what is written to one.
    return click.echo(printable_json(data.decode()), nl=sys.stdout.isatty())


def _another_trust(differs: Sequence[tuple[str, str, str]], digest: str) -> SignatureRefused:
    return SignatureRefused(
        "the service has another trust file than is pinned ({digest}): {changes}",
        digest=digest,
        changes="; ".join(f"{name}: {before} -> {after}" for name, before, after in differs),
        field="--pin",
        hint="Take a renewal that the quorum of the pinned one has signed: tally trust accept. "
        "Or compare its digest with what the agencies have published, and then add --replace.",
    )


@log_group.command("checkpoint")
def checkpoint(session: Session) -> None:
    """Fetch the newest checkpoint and check its signature with the profile's trust file, where it has one."""
    note, verified = fetch_checkpoint(session)
    if session.json:
        signature = "checked" if session.profiles.trust(session.profile).exists() else "not_checked"
        root = f"sha256:{verified.root.hex()}"
        return session.output.data(
            {"origin": verified.origin, "size": verified.size, "root": root, "signature": signature, "note": note}
        )
    return click.echo(note, nl=False)


@log_group.command("entries")
@click.option(
    "--from", "first", type=click.IntRange(min=0), default=0, show_default=True, help="Index of the first entry."
)
@click.option("--count", type=click.IntRange(min=1), default=100, show_default=True, help="Entries at most.")
def entries(session: Session, first: int, count: int) -> None:
    """List entries of the log: who signed what kind of event, in which stream."""
    session.output.table(decoded_entries(session, first, count), ENTRY)


@log_group.command("save")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
def save_copy(session: Session, folder: Path) -> None:
    """Copy the log's public entries and checkpoint into FOLDER, and check that they are what was signed."""
    size = save_log(session, folder)
    session.output.record({"size": size, "file": str(folder)})


@log_group.command("proof")
@click.argument("index", type=click.IntRange(min=0))
@COSE
@output_option(default="INDEX.tlog-proof")
def proof(session: Session, index: int, *, cose: bool, output: Path | None) -> None:
    """Write the proof (C2SP tlog-proof) that the entry at INDEX is in the public log. Nobody needs to sign in."""
    if cose:
        return take_receipt(session, index, fetch_entry(session, index), output or Path(f"{index}.cose"))
    entry_proof = fetch_entry_proof(session, index)
    target = output or Path(f"{index}.tlog-proof")
    return save(session, target, entry_proof.proof.encode(), leaf_hash=entry_proof.leaf_hash)


@log_group.command("consistency")
@click.argument("first", type=FILE)
def consistency(session: Session, first: Path) -> None:
    """Check that the log of today extends the checkpoint that was saved in the file FIRST.

    If it does not, the log was rolled back or forked: keep both checkpoints, each is signed.
    """
    from ledger.cli.files import checkpoint_in

    old = verified_checkpoint(session, checkpoint_in(first, "FIRST"))
    _, new = fetch_checkpoint(session)
    if new.size < old.size:
        raise IntegrityBroken(
            "the log ends at {new.size}, the checkpoint that was saved at {old.size}", new=new, old=old, field="size"
        )
    require_continued(session.service, old, new)
    session.output.record({"first": old.size, "second": new.size, "verdict": "consistent"})


POLL_S = 0.5  # seconds between two looks
LISTED = columns("number", "size", "state", "block_number", "transaction_hash", "root")


@click.group("anchor", cls=Group)
def anchor_group() -> None:
    """Show what of the log stands on the chain."""


@anchor_group.command("list")
def list_(session: Session) -> None:
    """List the anchors."""
    session.output.table(list(session.service.pages("/api/v1/anchors", "anchors")), LISTED)


@anchor_group.command("status")
def status(session: Session) -> None:
    """Show the ledger's identity, size and root, how far it is anchored, and what the service says of the chain."""
    log = session.service.get("/api/v1/log")
    if session.json:
        return session.output.data(log)
    session.output.record(log, columns(*(name for name in log if name != "witnesses")))
    return session.output.table(log["witnesses"], columns("name", "size", "fault"))


@anchor_group.command("wait")
@click.option("--timeout", "timeout_s", type=int, default=120, show_default=True, help="Seconds to wait.")
def wait(session: Session, timeout_s: int) -> int:
    """Wait until all that the log has now is anchored and final."""
    from ledger.cli.files import bar

    size = session.service.get("/api/v1/log")["size"]
    confirmed = 0
    deadline = time.monotonic() + timeout_s
    with bar(session, "entries anchored", size) as entries:
        while confirmed < size and time.monotonic() < deadline:
            confirmed = session.service.get("/api/v1/log")["anchored"]["confirmed"]
            entries.reach(confirmed)
            time.sleep(POLL_S if confirmed < size else 0)
    session.output.record({"size": size, "anchored": confirmed})
    return Exit.OK if confirmed >= size else Exit.NOT_YET_ANCHORED
