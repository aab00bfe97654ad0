"""What a witness co-signs: trees, anchors and blocks; what it refuses to, also in a race or after a kill."""

from __future__ import annotations

import gzip
import os
import signal
from collections.abc import Callable

import pytest
from msgspec.structs import replace
from sqlalchemy import event
from sqlalchemy.engine import Engine

from ledger.chain.errors import ChainUnavailable
from ledger.chain.eth import Eth
from ledger.chain.rpc import JsonRpc
from ledger.core.encoding import canonical
from ledger.core.errors import Conflict, NotFound, ProofRefused, Unavailable
from ledger.core.log.checkpoints import verify_cosignatures
from ledger.core.log.notes import SignedNote, VerifyingKey, parse_signature_lines
from ledger.core.log.replay import LogUnreadable
from ledger.core.log.tiles import encode_entry_bundle
from ledger.core.log.witness_protocol import COSIGN_BLOCK, AddCheckpoint, CosignBlock
from ledger.core.trust.block_notes import BlockStatement
from ledger.core.trust.trust_file import TrustedBlock
from ledger.store.witness import Halted, Moved
from ledger.witness.contracts import Contracts, contracts_at
from ledger.witness.source import LogSource
from tests.api.service import problem
from tests.testkit.builders import refused
from tests.testkit.faulty_service import Answer, faulty_service
from tests.unit.witness.racing import Signed, Told, Wishes, race
from tests.unit.witness.stand import CLERK, ML_DSA_SIGNER, NOTE_SIGNER, Stand, begun
from tests.unit.witness.test_routes import JSON, call


def test_what_was_followed_is_cosigned(stand: Stand) -> None:
    """A line by each key of the witness on the submitted note, at its clock's time (C2SP tlog-witness: one or more
    signature lines, SHOULD be of ML-DSA-44, for the entire tree)."""
    stand.open_cases(5, CLERK)
    asked = stand.log.wish(0)
    lines = stand.cosigner.add_checkpoint(asked)
    keys = [NOTE_SIGNER.verifying_key, ML_DSA_SIGNER.verifying_key]
    cosigned = verify_cosignatures(asked.note + lines, keys)
    assert [(each.witness, each.timestamp) for each in cosigned] == [(key, stand.clock() // 1000) for key in keys]
    assert len(parse_signature_lines(lines)) == 2
    assert stand.status.followed == stand.status.cosigned_size == len(stand.log.events)
    assert stand.kinds() == []


def test_a_step_starts_at_what_was_cosigned_last(stand: Stand) -> None:
    """Another old size is answered with the one that is right; the same checkpoint again is signed again."""
    stand.open_cases(3, CLERK)
    stand.cosigner.add_checkpoint(stand.log.wish(0))
    size = len(stand.log.events)
    stand.open_cases(3, CLERK)
    for old in (0, size - 1, size + 1):
        with pytest.raises(Moved) as moved:
            stand.cosigner.add_checkpoint(stand.log.wish(old))
        assert moved.value.size == size
    stand.cosigner.add_checkpoint(stand.log.wish(size))
    again = stand.log.wish(size + 3)
    assert again.proof == ()
    stand.clock.forward(60)
    line = stand.cosigner.add_checkpoint(again)
    (cosigned,) = verify_cosignatures(again.note + line, [NOTE_SIGNER.verifying_key])
    assert cosigned.timestamp == stand.clock() // 1000


def test_a_smaller_tree_than_was_followed_is_cosigned(stand: Stand) -> None:
    """The witness looks by itself and may be ahead of what is submitted, which it then finds in what it followed."""
    stand.open_cases(260, CLERK)
    stand.watch.look()
    for size in (7, 256, 259):
        stand.cosigner.add_checkpoint(stand.log.wish(stand.status.cosigned_size, size))
        assert stand.status.cosigned_size == size
    assert stand.status.followed == len(stand.log.events)


def test_nothing_is_signed_that_cannot_be_followed(stand: Stand) -> None:
    """Entries that are withheld: no signature, no step, and the same wish succeeds once they are served."""
    stand.open_cases(5, CLERK)
    asked = stand.log.wish(0)
    bundle = f"/tile/entries/000.p/{len(stand.log.events)}"
    stand.log.lies[bundle] = 404
    with pytest.raises(LogUnreadable):
        stand.cosigner.add_checkpoint(asked)
    assert (stand.status.cosigned_size, stand.status.followed) == (0, 0)
    del stand.log.lies[bundle]
    stand.cosigner.add_checkpoint(asked)


def test_following_takes_no_longer_than_it_may(stand: Stand) -> None:
    """What was followed by then is kept, and the next wish goes on from there."""
    stand.open_cases(300, CLERK)
    stand.watch.reach_timeout_s = -1.0
    with refused("still_following", error=Unavailable):
        stand.cosigner.add_checkpoint(stand.log.wish(0))
    stand.watch.reach_timeout_s = 20.0
    stand.cosigner.add_checkpoint(stand.log.wish(0))


def test_a_partial_tile_that_is_gone_is_cut_from_the_full_one(stand: Stand) -> None:
    """Logs may drop partial tiles once they are full (C2SP tlog-tiles): the full one has what is asked for."""
    stand.open_cases(300, CLERK)
    old = stand.log.wish(0, 200)
    stand.log.lies = {"/tile/entries/000.p/200": 404, "/tile/0/000.p/200": 404}
    stand.cosigner.add_checkpoint(old)
    assert stand.status.followed == 200


def test_the_log_is_asked_for_what_is_compressed_or_not() -> None:
    """C2SP tlog-tiles, log entries: clients SHOULD include gzip and identity in Accept-Encoding; both are read."""
    bundle = encode_entry_bundle([b"one", b"two"])
    packed = {"Content-Encoding": "gzip"}
    for answer in (Answer(200, bundle), Answer(200, gzip.compress(bundle), packed)):
        with faulty_service(lambda _asked, answer=answer: answer) as log:
            assert LogSource(log.url).entries(0, 2) == [b"one", b"two"]
            assert log.asked[0].headers["Accept-Encoding"] == "gzip, identity"


def test_a_new_change_of_the_registry_waits_for_the_chain(stand: Stand) -> None:
    """While the node is silent nothing is followed that mirrors a change; other entries are."""
    stand.watch.look()
    stand.open_cases(2, CLERK)
    silent = contracts_of(stand, Eth(JsonRpc("http://127.0.0.1:9", timeout_seconds=1)))
    stand.follower.contracts = silent
    stand.cosigner.add_checkpoint(stand.log.wish(0))
    fresh = Stand(stand.linked, stand.log, stand.folder / "fresh")
    fresh.follower.contracts = silent
    with pytest.raises(ChainUnavailable):
        fresh.cosigner.add_checkpoint(stand.log.wish(0))
    fresh.close()


def contracts_of(stand: Stand, eth: Eth) -> Contracts:
    return Contracts(eth, stand.trust.chains[0], stand.trust.log_id, 0)


def test_a_clock_that_is_set_back_signs_no_earlier_time(stand: Stand) -> None:
    """The times of co-signatures never run backwards, also over a restart."""
    times = []
    for step in (2 * 86_400, -86_400, 60, 2 * 86_400, -3600):
        stand.open_cases(1, CLERK)
        stand.clock.forward(step)
        asked = stand.log.wish(stand.status.cosigned_size)
        line = stand.cosigner.add_checkpoint(asked)
        times += [
            cosigned.timestamp for cosigned in verify_cosignatures(asked.note + line, [NOTE_SIGNER.verifying_key])
        ]
        stand.restart()
    assert times == sorted(times)
    assert times[0] == times[1] == times[2] < times[3] == times[4]


# -- the contract ------------------------------------------------------------------------------------------------------


def test_the_contract_gets_nothing_else(stand: Stand) -> None:
    """Another chain or contract, a size that was not co-signed, another root, a registry hash that is not mirrored."""
    stand.open_cases(2, CLERK)
    stand.cosigner.add_checkpoint(stand.log.wish(0))
    for field, value, expected, named in (
        ("chain_id", 1, NotFound, "anchor"),
        ("anchor", "0x" + "11" * 20, NotFound, "anchor"),
        ("size", 1, Conflict, "size"),
        ("size", 1000, Conflict, "size"),
        ("root", "0x" + "22" * 32, ProofRefused, "root"),
        ("registry_hash", "0x" + "33" * 32, ProofRefused, "registry_hash"),
    ):
        with pytest.raises(expected) as refused:
            stand.cosigner.cosign_anchor(replace(stand.wish_for_anchor(), **{field: value}))
        assert refused.value.field == named


def test_a_hidden_revocation_is_not_anchored(chained: Stand) -> None:
    """Once the chain has revoked a key, no anchor is signed before the log mirrors it; the note still is."""
    chained.open_cases(1, CLERK)
    chained.cosigner.add_checkpoint(chained.log.wish(0))
    before = chained.wish_for_anchor()
    chained.linked.revoke(CLERK)
    with refused("registry_moved", field="registry_hash", error=Conflict):
        chained.cosigner.cosign_anchor(before)
    with refused("registry_hash_other", field="registry_hash", error=ProofRefused):
        chained.cosigner.cosign_anchor(chained.wish_for_anchor())
    chained.mirror()
    chained.cosigner.add_checkpoint(chained.log.wish(chained.status.cosigned_size))
    chained.cosigner.cosign_anchor(chained.wish_for_anchor())
    with pytest.raises(Conflict):
        chained.cosigner.cosign_anchor(before)


# -- blocks ------------------------------------------------------------------------------------------------------------


def wish(stand: Stand, number: int | None = None) -> CosignBlock:
    """What the log's service asks of a block of the chain, the newest unless it is told."""
    chain, eth = stand.trust.chains[0], stand.eth
    block = eth.block(eth.head().number if number is None else number)
    assert block is not None
    return CosignBlock(chain.chain_id, chain.anchor, block.number, "0x" + block.hash.hex())


def test_a_final_block_is_vouched_for(stand: Stand) -> None:
    """The line holds under the statement of this ledger, these contracts and this block, with the witness's time."""
    asked = wish(stand)
    answer = call(stand, "POST", COSIGN_BLOCK, content=canonical.encode(asked), headers=JSON)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/plain; charset=utf-8")
    block = TrustedBlock(asked.block_number, asked.block_hash)
    text = BlockStatement(stand.trust.log_id, stand.trust.chains[0], block).text()
    note = SignedNote(text, parse_signature_lines(answer.text))
    (cosignature,) = verify_cosignatures(str(note), [NOTE_SIGNER.verifying_key])
    assert cosignature.timestamp == stand.clock() // 1000


def test_what_is_not_final_here_is_not_vouched_for(stand: Stand) -> None:
    """A block above the last final one by the witness's rule, one before the contracts, and one that is not there."""
    chain, head = stand.trust.chains[0], stand.eth.head().number
    stand.cosigner.contracts = contracts_at(stand.eth, stand.trust, 1)
    stand.cosigner.cosign_block(wish(stand, head - 1))
    for number in (head, chain.deployment_block_number - 1):
        with pytest.raises(Conflict) as refused:
            stand.cosigner.cosign_block(wish(stand, number))
        assert refused.value.code == "not_final"
        assert "finality" in str(refused.value.hint)
    with pytest.raises(Conflict):
        stand.cosigner.cosign_block(replace(wish(stand), block_number=head + 99))


def test_other_blocks_chains_and_contracts_are_refused(stand: Stand) -> None:
    """Another hash at the number is a conflict; a chain or contract that the witness does not look at is not found."""
    asked = wish(stand)
    for changes, status, code in (
        ({"block_hash": "0x" + "11" * 32}, 409, "other_block"),
        ({"chain_id": 1}, 404, "not_found"),
        ({"anchor": stand.trust.chains[0].registry}, 404, "not_found"),
    ):
        content = canonical.encode(replace(asked, **changes))
        field = "block_hash" if status == 409 else "anchor"
        problem(call(stand, "POST", COSIGN_BLOCK, content=content, headers=JSON), status, code, field)
    problem(call(stand, "POST", COSIGN_BLOCK, content=b"{}", headers=JSON), 400, "malformed_input", "chain_id")


def test_a_halted_witness_vouches_for_nothing(stand: Stand) -> None:
    """What halted it may be about this very chain."""
    begun(stand)
    stand.log.published -= 1
    stand.watch.try_look()
    with pytest.raises(Halted):
        stand.cosigner.cosign_block(wish(stand))


# -- races and kills ---------------------------------------------------------------------------------------------------


CLIENTS = 10
REQUESTS = 160


def asking(stand: Stand) -> Callable[[AddCheckpoint], Signed | Told | None]:
    def ask(asked: AddCheckpoint) -> Signed | Told | None:
        try:
            line = stand.cosigner.add_checkpoint(asked)
        except Moved as moved:
            return Told(moved.size)
        except Unavailable:
            return None
        (cosigned,) = verify_cosignatures(asked.note + line, [NOTE_SIGNER.verifying_key])
        return Signed(cosigned.timestamp)

    return ask


def test_clients_that_race_never_take_it_back(stand: Stand) -> None:
    """From every answer on all answers are of that size or a larger one, and of that time or a later one."""
    stand.open_cases(300, CLERK)
    stand.log.published = 0
    oath = race(asking(stand), Wishes(stand.log), clients=CLIENTS, requests=REQUESTS, seed=1)
    assert oath.faults == []
    assert oath.signed > 1
    assert oath.refused > 0
    assert oath.signed + oath.refused + oath.unanswered == REQUESTS
    assert stand.status.cosigned_size == oath.size
    assert stand.kinds() == []


class Killing:
    """A signer that is killed when it is to sign."""

    verifying_key: VerifyingKey = NOTE_SIGNER.verifying_key

    def sign(self, _message: bytes, /) -> bytes:
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError


def killed(stand: Stand, prepare: Callable[[Stand], None], asked: AddCheckpoint) -> None:
    """A process of its own that is killed while it answers, by what ``prepare`` lays."""
    child = os.fork()
    if child == 0:
        stand.restart()
        prepare(stand)
        stand.cosigner.add_checkpoint(asked)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status)
    assert os.WTERMSIG(status) == signal.SIGKILL
    stand.restart()


def before_the_signature(stand: Stand) -> None:
    stand.cosigner.note_signers = (Killing(),)


def before_the_commit(stand: Stand) -> None:
    cosign = stand.store.cosign

    def cosign_and_die(*args: object) -> str:
        engine: Engine = stand.store._engine
        event.listen(engine, "commit", lambda _connection: os.kill(os.getpid(), signal.SIGKILL))
        return cosign(*args)  # type: ignore[arg-type]

    stand.store.cosign = cosign_and_die  # type: ignore[method-assign]


def after_the_commit(stand: Stand) -> None:
    cosign = stand.store.cosign

    def cosign_and_die(*args: object) -> str:
        cosign(*args)  # type: ignore[arg-type]
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError

    stand.store.cosign = cosign_and_die  # type: ignore[method-assign]


@pytest.mark.parametrize(
    ("where", "is_kept"), [(before_the_signature, False), (before_the_commit, False), (after_the_commit, True)]
)
def test_a_kill_between_check_and_reply_takes_nothing_back(
    stand: Stand, where: Callable[[Stand], None], is_kept: bool
) -> None:
    """Kept or not, never both: what was kept is not stepped from again, and is signed for whoever asks anew."""
    stand.open_cases(20, CLERK)
    stand.cosigner.add_checkpoint(stand.log.wish(0, 10))
    killed(stand, where, stand.log.wish(10, 15))
    assert stand.status.cosigned_size == (15 if is_kept else 10)
    if is_kept:
        with pytest.raises(Moved) as moved:
            stand.cosigner.add_checkpoint(stand.log.wish(10, 12))
        assert moved.value.size == 15
        stand.cosigner.add_checkpoint(stand.log.wish(15, 15))
    stand.cosigner.add_checkpoint(stand.log.wish(stand.status.cosigned_size))
    assert stand.kinds() == []


def test_a_kill_between_two_steps_of_following_loses_nothing(stand: Stand) -> None:
    """What was kept goes on from where it was; the rest is followed again."""
    stand.open_cases(300, CLERK)

    def while_following(child: Stand) -> None:
        event.listen(child.store._engine, "commit", lambda _connection: os.kill(os.getpid(), signal.SIGKILL))

    killed(stand, while_following, stand.log.wish(0))
    assert (stand.status.followed, stand.status.cosigned_size) == (0, 0)
    stand.cosigner.add_checkpoint(stand.log.wish(0))
    assert stand.status.followed == len(stand.log.events)
