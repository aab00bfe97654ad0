"""A chain behind somebody else's node: what it may answer; every outcome is looked up, no root is anchored twice."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from ledger.chain import rpc, writer
from ledger.chain.deploy import deploy, require_deployment
from ledger.chain.errors import ChainAhead, ChainMismatch, ChainUnavailable, TransactionRefused, WrongChain
from ledger.chain.eth import Eth, SendAnswer
from ledger.chain.journal import ChainWrite, Purpose, WriteState
from ledger.chain.remote import RemoteChain
from ledger.chain.rpc import JsonRpc
from ledger.chain.transaction import Fees, decode, sign
from ledger.chain.writer import ChainWriter
from ledger.core.errors import Conflict, MalformedInput, RuleRefused, Unavailable
from tests.testkit.builders import refused
from tests.testkit.faulty_service import Answer
from tests.testkit.machine import free_port
from tests.unit.chain.builders import Key
from tests.unit.chain.external import ExternalNode, running_anvil
from tests.unit.chain.faulty import (
    Fault,
    FaultyNode,
    faulty_node,
    fixed,
    lost_answer,
    lost_request,
    refusal,
    result,
    wrong_refusal,
)
from tests.unit.chain.memory_journal import MemoryJournal
from tests.unit.chain.world import POLICE, SUBMITTER, Clock, World, founding, granted_by, remote_world

SIGNED, SUBMITTED, MINED = WriteState.SIGNED, WriteState.SUBMITTED, WriteState.MINED
CONFIRMED, STALE, INVALID = WriteState.CONFIRMED, WriteState.STALE, WriteState.INVALID
SEND = "eth_sendRawTransaction"


@pytest.fixture
def world(anvil: ExternalNode, journal: MemoryJournal) -> World:
    """A founded ledger on an external Anvil, where a block is final under two others."""
    return remote_world(anvil, journal, finality=2)


@pytest.fixture
def faulty(anvil: ExternalNode) -> Iterator[FaultyNode]:
    """A way to the external Anvil that can be made to fail."""
    with faulty_node(anvil.url) as node:
        yield node


@pytest.fixture
def faulty_world(anvil: ExternalNode, faulty: FaultyNode, journal: MemoryJournal) -> World:
    return remote_world(anvil, journal, url=faulty.url)


def states(world: World) -> list[WriteState]:
    """Of the anchors, in their order."""
    return [write.state for write in world.journal.writes() if write.purpose is Purpose.ANCHOR]


def moves(world: World) -> list[tuple[WriteState, WriteState]]:
    """The states before and after a look-up of each anchor that it moves."""
    before = states(world)
    world.anchor.refresh()
    return [pair for pair in zip(before, states(world), strict=True) if pair[0] is not pair[1]]


def now(world: World, write: ChainWrite) -> ChainWrite:
    stored = world.journal.find(write.transaction_hash)
    assert stored is not None
    return stored


def test_an_anchor_is_submitted_mined_and_confirmed(world: World, anvil: ExternalNode) -> None:
    """Each state is journaled as it comes, and confirmed only under as many blocks as the rule wants: then with the
    block's own time, not that of the signing, so that nobody has to ask for it; it leaves with its block."""
    anvil.mine(70)
    write = world.anchor_more()
    assert write.state is SUBMITTED
    anvil.wait_for_blocks()
    assert moves(world) == [(SUBMITTED, MINED)]
    anvil.mine()
    assert moves(world) == []
    assert now(world, write).block_time is None
    anvil.mine()
    assert moves(world) == [(MINED, CONFIRMED)]
    assert moves(world) == []
    assert world.anchor.now().head().number == 1
    kept, receipt = now(world, write), world.chain.eth.receipt(write.transaction_hash)
    block = world.chain.eth.block(kept.block_hash or b"")
    assert block is not None
    assert receipt is not None
    assert (kept.block_time, kept.gas_used) == (block.timestamp, receipt.gas_used)
    anvil.reorganise(4)
    world.anchor.refresh()
    left = now(world, write)
    assert left.state is not CONFIRMED
    assert (left.block_number, left.block_time, left.gas_used) == (None, None, None)


def test_a_final_tag_of_the_node_is_a_rule_too(anvil: ExternalNode, journal: MemoryJournal) -> None:
    """With the tag "finalized" nothing is confirmed before the node calls the block so."""
    world = remote_world(anvil, journal, finality="finalized")
    world.anchor_more()
    anvil.wait_for_blocks()
    assert moves(world) == [(SUBMITTED, MINED)]
    anvil.mine(100)
    assert moves(world) == [(MINED, CONFIRMED)]


@pytest.mark.parametrize("depth", [1, 20])
def test_a_reorganisation_unanchors_and_anchors_again(world: World, anvil: ExternalNode, depth: int) -> None:
    """Whatever was confirmed in blocks that left the chain is stale, and the same transactions come in again."""
    below = world.anchor_more()
    anvil.mine(70)
    world.anchor.refresh()
    above = [world.anchor_more() for _ in range(2)]
    anvil.mine(depth)
    world.anchor.refresh()
    kept_confirmed = depth > 1
    assert states(world) == [CONFIRMED, CONFIRMED, CONFIRMED if kept_confirmed else MINED]

    anvil.reorganise(depth + 2)
    assert world.anchor.now().head().number == 1
    world.anchor.refresh()
    assert now(world, below).state is CONFIRMED
    assert all(now(world, write).state in {STALE, SUBMITTED, MINED} for write in above)

    anvil.mine(2)
    world.anchor.refresh()
    anvil.mine(2)
    world.anchor.refresh()
    assert states(world) == [CONFIRMED] * 3
    assert world.anchor.now().head().number == 3
    for write in above:
        assert now(world, write).block_hash not in {None, write.block_hash}


def test_a_mined_write_that_moves_to_another_block_is_followed(world: World, anvil: ExternalNode) -> None:
    """Not yet final, reorganised and in again before anybody looked: the journal takes the new block."""
    write = world.anchor_more()
    anvil.wait_for_blocks()
    world.anchor.refresh()
    first = now(world, write)
    anvil.reorganise(1)
    anvil.eth.send(write.raw_transaction)
    anvil.wait_for_blocks()
    world.anchor.refresh()
    moved = now(world, write)
    assert (moved.state, moved.block_hash == first.block_hash) == (MINED, False)


FAULTS: dict[str, Fault] = {
    "the answer is lost": lost_answer,
    "the request is lost": lost_request,
    "an error, though it was taken": wrong_refusal,
    "an error, and it was not taken": refusal("internal error", code=-32603),
    "already known, though it is not": refusal("already known"),
    "nonce too low, though it is not": refusal("nonce too low"),
    "underpriced": refusal("transaction underpriced"),
    "html": fixed(b"<html>Bad Gateway</html>", status=502),
    "too many requests": fixed(b"", status=429),
    "another result": result("0x"),
}


def test_an_unknown_outcome_of_a_send_is_looked_up(
    faulty: FaultyNode, faulty_world: World, anvil: ExternalNode
) -> None:
    """Whatever the node answers to the send, and whether or not it took the transaction: one anchor, once confirmed."""
    world = faulty_world
    for number, (name, fault) in enumerate(FAULTS.items(), 1):
        request = world.next_anchor()
        faulty.faults[SEND] = fault
        try:
            world.anchor.submit(request)
        except TransactionRefused:
            assert states(world)[-1] is SIGNED, name
        faulty.faults.clear()
        for _ in range(2):  # it is sent again by the first where the node had not taken it
            anvil.wait_for_blocks()
            world.anchor.refresh()
        assert states(world) == [CONFIRMED] * number, name
        assert world.anchor.now().head().number == number, name
        world.anchored = len(world.leaves)


def test_a_look_up_that_fails_changes_nothing(faulty: FaultyNode, faulty_world: World, anvil: ExternalNode) -> None:
    """No state is guessed from a failed look-up; the next one that succeeds tells."""
    world = faulty_world
    world.anchor_more()
    anvil.wait_for_blocks()
    for method in ("eth_getTransactionReceipt", "eth_getBlockByNumber", "eth_chainId"):
        for fault in (lost_request, FAULTS["html"], refusal("header not found"), result({}), result("0x")):
            faulty.faults[method] = fault
            with pytest.raises(ChainUnavailable):
                world.anchor.refresh()
            assert states(world) == [SUBMITTED]
        faulty.faults.clear()
    assert moves(world) == [(SUBMITTED, CONFIRMED)]


def test_one_write_of_ours_at_a_time(world: World, anvil: ExternalNode) -> None:
    """While one is in no block the next is refused, with nothing signed. Waiting for it has an end."""
    anvil.automine(on=False)
    write = world.anchor_more()
    with refused("chain_unconfirmed", error=Unavailable):
        world.writer.settle(write, timeout_seconds=0.05, poll_seconds=0.01)
    with refused("write_in_flight", error=Conflict):
        world.anchor.submit(world.next_anchor())
    assert len(states(world)) == 1


def test_a_stuck_write_is_replaced_at_its_nonce(
    world: World, anvil: ExternalNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the set time it goes out again, same nonce and root, paying more, unless that is above the cap; one comes
    in, the other is invalid."""
    anvil.automine(on=False)
    first = world.anchor_more()
    world.clock.now = first.timestamp + 119
    world.anchor.refresh()
    assert states(world) == [SUBMITTED]
    world.clock.now = first.timestamp + 120
    with monkeypatch.context() as patch:
        patch.setattr(writer, "FEE_CAP", 1)
        world.anchor.refresh()
    assert states(world) == [SUBMITTED]
    world.anchor.refresh()
    assert states(world) == [SUBMITTED, SUBMITTED]
    second = list(world.journal.writes())[-1]
    assert (second.nonce, second.anchored, second.purpose) == (first.nonce, first.anchored, first.purpose)
    assert paid(second).max_fee * 10 >= paid(first).max_fee * 11
    anvil.mine(3)
    world.anchor.refresh()
    assert states(world) == [INVALID, CONFIRMED]
    assert world.anchor.now().head().number == 1


def test_a_deployment_that_waited_for_money_goes_on(anvil: ExternalNode, journal: MemoryJournal) -> None:
    """The account of a new ledger is named with what it lacks. Its money comes when the first write was replaced by
    one that pays more, and that is the one that comes in: the deployment takes it for its own."""
    chain, clock = RemoteChain(eth=anvil.eth, chain_id=31337, journal=journal, finality=0), Clock()
    begun = ChainWriter(chain=chain, journal=journal, signer=SUBMITTER, clock=clock)
    for _ in range(2):  # refused as it is sent, and as it is waited for
        with pytest.raises(Unavailable) as poor:
            deploy(begun, founding(), timeout_seconds=0)
        assert f"Send the account {SUBMITTER.key_id}" in (poor.value.hint or "")
        clock.now += 120
    begun.refresh()
    anvil.automine(on=False)
    anvil.fund(SUBMITTER.key_id)
    begun.refresh()
    anvil.mine(1)
    anvil.automine(on=True)
    require_deployment(anvil.eth, deploy(begun, founding(), timeout_seconds=30))
    outcomes = {(write.nonce, write.state) for write in journal.writes()}
    assert outcomes == {(0, INVALID), (0, CONFIRMED), (1, CONFIRMED)}


def test_why_a_write_is_not_taken_is_logged_once(
    anvil: ExternalNode, journal: MemoryJournal, caplog: pytest.LogCaptureFixture
) -> None:
    """An account without money is looked at every few seconds: the log has the reason once, and again if it changes."""
    chain, clock = RemoteChain(eth=anvil.eth, chain_id=31337, journal=journal, finality=0), Clock()
    writer = ChainWriter(chain=chain, journal=journal, signer=SUBMITTER, clock=clock)
    with pytest.raises(Unavailable):
        deploy(writer, founding(), timeout_seconds=0)
    for _ in range(3):
        writer.refresh()
    clock.now += 120  # from now on each look tries to replace it, which the account cannot pay for either
    for _ in range(3):
        writer.refresh()
    lines = [record.getMessage() for record in caplog.records]
    assert [line for line in lines if line.startswith("write 1 was not taken: ")] == lines[:1]
    assert len(lines) == len(set(lines)) <= 3


def paid(write: ChainWrite) -> Fees:
    return decode(write.raw_transaction).transaction.fees


def test_a_write_that_the_node_forgot_is_sent_again(world: World, anvil: ExternalNode) -> None:
    """Dropped from the pool: the look-up finds neither transaction nor used nonce, and sends the same bytes."""
    anvil.automine(on=False)
    write = world.anchor_more()
    anvil.eth.rpc.call("anvil_dropAllTransactions")
    world.anchor.refresh()
    anvil.mine(3)
    assert moves(world) == [(SUBMITTED, CONFIRMED)]
    assert now(world, write).block_number is not None


def test_a_revert_is_invalid_once_its_block_is_final(world: World, anvil: ExternalNode) -> None:
    """A key granted in the same block, before the anchor: the anchor reverts, is mined, and in the end invalid."""
    anvil.fund(POLICE.key_id)
    anvil.automine(on=False)
    write = world.anchor_more()
    call = granted_by(world, POLICE, Key("clerk"))
    prepared = world.registry.prepare(POLICE.key_id, call)
    dear = Fees(prepared.fees.max_fee * 5, (prepared.fees.priority_fee or 0) * 5)
    world.registry.relay(sign(replace(prepared, fees=dear), POLICE).raw)
    anvil.mine(1)
    world.anchor.refresh()
    assert now(world, write).state is MINED
    anvil.mine(2)
    world.anchor.refresh()
    assert now(world, write).state is INVALID
    assert world.anchor.now().head().number == 0


def test_a_change_that_its_admin_cannot_pay_for_is_refused_until_he_can(world: World, anvil: ExternalNode) -> None:
    """Each time it is handed in, with the node's reason and the account that lacks currency, and not as what a client
    tries again by itself. The reason stays with the chain until the node takes it, which the look-up sees to."""
    call = granted_by(world, POLICE, Key("clerk"))
    raw = sign(world.registry.prepare(POLICE.key_id, call), POLICE).raw
    for _ in range(2):
        with pytest.raises(RuleRefused, match="Insufficient funds") as raised:
            world.registry.relay(raw)
        assert raised.value.code == "transaction_refused"
        assert f"Send the account {POLICE.key_id} the chain's currency" in str(raised.value.hint)
    (reason,) = world.chain.refusals.values()
    assert "Insufficient funds" in reason
    anvil.fund(POLICE.key_id)
    assert world.registry.relay(raw).state is SUBMITTED
    assert world.chain.refusals == {}


def test_a_change_does_not_take_the_place_of_one_that_waits(world: World, anvil: ExternalNode) -> None:
    """An admin who cannot pay signs one change, and then another with the same nonce: one of the two would be lost
    without a word. The same one with other fees is taken, and the other one as soon as the first is in a block."""
    first, second = (granted_by(world, POLICE, Key(name)) for name in ("first", "second"))
    prepared = world.registry.prepare(POLICE.key_id, first)
    with pytest.raises(RuleRefused, match="Insufficient funds"):
        world.registry.relay(sign(prepared, POLICE).raw)
    with pytest.raises(Conflict, match="waits for the chain") as raised:
        world.registry.relay(sign(world.registry.prepare(POLICE.key_id, second), POLICE).raw)
    assert f"Send the account {POLICE.key_id} the chain's currency" in str(raised.value.hint)
    with pytest.raises(RuleRefused, match="Insufficient funds"):
        world.registry.relay(sign(replace(prepared, gas=prepared.gas + 1), POLICE).raw)
    anvil.fund(POLICE.key_id)
    world.writer.refresh()
    relayed = world.registry.relay(sign(world.registry.prepare(POLICE.key_id, second), POLICE).raw)
    assert (relayed.nonce, relayed.state) == (prepared.nonce + 1, SUBMITTED)


def test_a_nonce_that_went_to_a_stranger_is_a_rollback(world: World, anvil: ExternalNode) -> None:
    """Our key has sent what the journal does not know: the write in flight is invalid, and nothing more is signed."""
    anvil.automine(on=False)
    write = world.anchor_more()
    anvil.eth.rpc.call("anvil_dropAllTransactions")
    ours = decode(write.raw_transaction).transaction
    anvil.eth.send(sign(replace(ours, to=Key("else").key_id, data=b"", gas=21_000), SUBMITTER).raw)
    anvil.mine(1)
    assert moves(world) == []  # used, but not yet for good
    anvil.mine(2)
    assert moves(world) == [(SUBMITTED, INVALID)]
    with pytest.raises(ChainAhead):
        world.anchor.submit(world.next_anchor())


def test_another_chain_at_the_same_url_is_not_written_to(faulty: FaultyNode, faulty_world: World) -> None:
    """Switched to another chain id: the write stays signed and is not sent there."""
    world = faulty_world
    request = world.next_anchor()
    count = len(faulty.requests)
    faulty.faults["eth_chainId"] = result("0x1")
    with pytest.raises(WrongChain):
        world.anchor.submit(request)
    assert SEND not in faulty.requests[count:]
    with pytest.raises(WrongChain):
        world.anchor.refresh()


@pytest.mark.parametrize("chain_id", [31337, 31400])
def test_another_chain_is_told_from_a_reorganisation(world: World, journal: MemoryJournal, chain_id: int) -> None:
    """The same chain id without the deployment's block, and a chain of another id: nothing of the journal is sent there
    or becomes stale."""
    world.anchor_more()
    before = list(journal.writes())
    with running_anvil("--chain-id", str(chain_id)) as fresh:
        fresh_chain = RemoteChain(eth=fresh.eth, chain_id=chain_id, journal=journal, finality=0)
        fresh_chain.identity = world.deployment.identity
        with pytest.raises(ChainMismatch if chain_id == 31337 else WrongChain):
            fresh_chain.refresh()
        assert fresh.eth.head().number == 0
    assert list(journal.writes()) == before


# -- what a node may answer --------------------------------------------------------------------------------------------


HTML = b"<html><body>502 Bad Gateway</body></html>"
DEEP = b"[" * 100_000


@pytest.fixture
def node() -> Iterator[FaultyNode]:
    with faulty_node() as serving:
        yield serving


def unavailable(node: FaultyNode, fault: Fault) -> ChainUnavailable:
    node.faults["*"] = fault
    with pytest.raises(ChainUnavailable) as raised:
        Eth(JsonRpc(node.url)).head()
    return raised.value


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (fixed(HTML), "chain_garbled"),
        (fixed(HTML, status=502), "chain_unreachable"),
        (fixed(b"", status=302, Location="http://127.0.0.1:1/"), "chain_garbled"),
        (fixed(DEEP), "chain_garbled"),
        (fixed(b"[]"), "chain_garbled"),
        (fixed(b'{"jsonrpc":"2.0","id":1}'), "chain_garbled"),
        (fixed(b'{"jsonrpc":"2.0","id":99,"result":"0x1"}'), "chain_garbled"),
        (fixed(b"{}", Content_Encoding="gzip"), "chain_unreachable"),
        (result(None), "chain_garbled"),
        (result({"number": 1, "hash": "0x"}), "chain_garbled"),
        (fixed(b"", status=429), "chain_rate_limited"),
        (refusal("too many requests", code=-32005), "chain_rate_limited"),
        (refusal("no such method", code=-32601), "chain_refused"),
        (lost_request, "chain_unreachable"),
    ],
)
def test_each_wrong_answer_has_its_code(node: FaultyNode, fault: Fault, code: str) -> None:
    """HTML, redirects, garbage, other forms, limits and hang-ups leave as ChainUnavailable, told apart by code."""
    assert unavailable(node, fault).code == code


@pytest.mark.parametrize(
    ("header", "seconds"), [("17", 17), ("0", 0), ("86400", 3600), ("soon", 5), ("-3", 5), ("9" * 400, 5), ("²", 5)]
)
def test_retry_after_is_passed_on_within_reason(node: FaultyNode, header: str, seconds: int) -> None:
    """A sensible Retry-After is kept, a huge one bounded, another one replaced."""
    raw = header.encode().decode("latin-1")
    assert unavailable(node, fixed(b"", status=429, Retry_After=raw)).retry_after == seconds


def test_a_node_that_drips_is_timed_out(node: FaultyNode) -> None:
    """The whole exchange has a deadline, not only each read of it."""
    node.faults["*"] = lambda *_: Answer(body=b" " * 1000, drip_s=0.05)
    with refused("chain_timeout", error=ChainUnavailable):
        JsonRpc(node.url, timeout_seconds=0.3).call("eth_chainId")


def test_an_answer_without_end_is_cut(node: FaultyNode, monkeypatch: pytest.MonkeyPatch) -> None:
    """More bytes than allowed are not taken into memory."""
    monkeypatch.setattr(rpc, "MAX_RESPONSE", 4096)
    node.faults["*"] = fixed(b'"' + b"a" * 5000 + b'"')
    with refused("chain_too_large", error=ChainUnavailable):
        JsonRpc(node.url).call("eth_chainId")


def test_nobody_listening_is_unreachable() -> None:
    """A refused connection names host and port to the operator alone, and to nobody the secrets of the URL."""
    port = free_port()
    with pytest.raises(ChainUnavailable) as raised:
        JsonRpc(f"http://user:secret@127.0.0.1:{port}/v3/key").call("eth_chainId")
    assert raised.value.code == "chain_unreachable"
    assert f"127.0.0.1:{port}" in raised.value.for_operator
    assert "127.0.0.1" not in raised.value.message
    assert "secret" not in raised.value.for_operator
    assert raised.value.hint


@pytest.mark.parametrize("url", ["localhost:8545", "ftp://127.0.0.1", "http://", "http://[::1"])
def test_what_is_no_url_is_malformed(url: str) -> None:
    """A URL that names no HTTP server is the settings' fault, not the chain's."""
    with pytest.raises(MalformedInput):
        JsonRpc(url)


def test_another_chain_id_is_the_wrong_chain(anvil: ExternalNode) -> None:
    """A node of another chain is told from one that is down."""
    anvil.eth.require_chain(31337)
    with pytest.raises(WrongChain, match=r"expected chain 1 .* is chain 31337"):
        anvil.eth.require_chain(1)


SAID = {
    SendAnswer.ALREADY_KNOWN: ["already known", "transaction already imported", "Known transaction: 0x12"],
    SendAnswer.NONCE_TOO_LOW: ["nonce too low", "Nonce too low. Expected nonce to be 3 but got 0.", "OldNonce"],
    SendAnswer.UNDERPRICED: [
        *("replacement transaction underpriced", "max fee per gas less than block base fee", "FeeTooLow"),
        "Gas price below configured minimum gas price",
    ],
}


@pytest.mark.parametrize(
    ("message", "outcome"), [(words, outcome) for outcome, texts in SAID.items() for words in texts]
)
def test_what_clients_say_to_a_transaction_is_understood(node: FaultyNode, message: str, outcome: SendAnswer) -> None:
    """The words of several clients for the same three answers."""
    node.faults["*"] = refusal(message)
    assert Eth(JsonRpc(node.url)).send(b"\x02") is outcome


def test_an_unknown_refusal_of_a_transaction_is_raised(node: FaultyNode) -> None:
    """What is not understood is no outcome."""
    node.faults["*"] = refusal("the moon is in the wrong phase", code=-1)
    with pytest.raises(TransactionRefused) as raised:
        Eth(JsonRpc(node.url)).send(b"\x02")
    assert (raised.value.rpc_code, raised.value.rpc_message) == (-1, "the moon is in the wrong phase")


def test_a_batch_answers_in_the_order_of_its_requests(anvil: ExternalNode, node: FaultyNode) -> None:
    """Whatever the order of the answers; one that is missing is garbled."""
    anvil.mine(5)
    blocks = anvil.eth.blocks(range(6))
    assert [block.number for block in blocks] == list(range(6))
    requests = [("eth_chainId", []), ("eth_blockNumber", [])]

    def reversed_answers(request: object, _: object) -> Answer:
        return Answer(body=b'[{"id":2,"result":"second"},{"id":1,"result":"first"}]')

    node.faults["batch"] = reversed_answers
    assert JsonRpc(node.url).batch(requests) == ["first", "second"]
    for answer, code in (
        (b'[{"id":1,"result":"first"}]', "chain_garbled"),
        (b'{"id":null,"error":{"code":-32600,"message":"batches are not served"}}', "chain_refused"),
    ):
        node.faults["batch"] = fixed(answer)
        with refused(code, error=ChainUnavailable):
            JsonRpc(node.url).batch(requests)
    assert JsonRpc(node.url).batch([]) == []
