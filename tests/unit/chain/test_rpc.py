"""What a node may answer, and which of our errors each becomes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from ledger.chain import rpc
from ledger.chain.errors import ChainUnavailable, TransactionRefused, WrongChain
from ledger.chain.eth import Eth, SendOutcome
from ledger.chain.rpc import JsonRpc
from ledger.core.errors import MalformedInput
from tests.testkit.builders import refused
from tests.testkit.faulty_service import Answer
from tests.testkit.machine import free_port
from tests.unit.chain.external import ExternalNode
from tests.unit.chain.faulty import Fault, FaultyNode, faulty_node, fixed, lost_request, refusal, result

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


@pytest.mark.parametrize(
    "statement",
    [
        "import ledger.chain.contract",
        "from ledger.config.keys import _keystore_file as f; f(b'1' * 32, 'p', light=True)",
    ],
)
def test_ethereum_packages_leave_the_recursion_limit_alone(statement: str) -> None:
    """With the limit that one of their parts sets, deep JSON from anybody would kill the process."""
    program = f"import sys; {statement}; print('py_ecc' in sys.modules, sys.getrecursionlimit())"
    printed = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout
    assert printed.split() == ["True", "1000"]


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
    SendOutcome.ALREADY_KNOWN: ["already known", "transaction already imported", "Known transaction: 0x12"],
    SendOutcome.NONCE_TOO_LOW: ["nonce too low", "Nonce too low. Expected nonce to be 3 but got 0.", "OldNonce"],
    SendOutcome.UNDERPRICED: [
        *("replacement transaction underpriced", "max fee per gas less than block base fee", "FeeTooLow"),
        "Gas price below configured minimum gas price",
    ],
}


@pytest.mark.parametrize(
    ("message", "outcome"), [(words, outcome) for outcome, texts in SAID.items() for words in texts]
)
def test_what_clients_say_to_a_transaction_is_understood(node: FaultyNode, message: str, outcome: SendOutcome) -> None:
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
