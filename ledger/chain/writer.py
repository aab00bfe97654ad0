"""The one writer to a chain: reserves a nonce, signs, journals, sends, and follows the outcome.

``ChainBackend`` is what it needs of a chain, embedded or remote.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass, replace
from typing import Protocol

from ledger.chain.anvil import GENESIS_TIMESTAMP
from ledger.chain.contract import ContractAbi
from ledger.chain.errors import ChainAhead, ChainUnavailable, RpcRefused, TransactionRefused
from ledger.chain.eth import BlockRef, Eth
from ledger.chain.journal import SETTLED, AnchoredHead, ChainWrite, Journal, Purpose, WriteState
from ledger.chain.transaction import Fees, SignedTransaction, Transaction, decode, sign
from ledger.core.errors import Conflict, RuleRefused, Unavailable
from ledger.core.messages import Message
from ledger.core.signing.signatures import TransactionSigner


class ChainBackend(Protocol):
    """A chain and the journal of what we write to it."""

    @property
    def chain_id(self) -> int: ...

    @property
    def refusals(self) -> Mapping[int, str]:
        """Return by number why the node takes none of these writes, as it answered last."""

    @property
    def eth(self) -> Eth:
        """Return the node to read from. Do not keep it: the embedded node may be restarted."""

    def fees(self) -> Fees:
        """Return what a transaction should offer now."""

    def final_block(self) -> BlockRef | None:
        """Return the newest block that cannot change any more, or None."""

    def deliver(self, write: ChainWrite) -> ChainWrite:
        """Hand a journaled write to the chain, and return it as the journal then has it.

        A write whose outcome is unknown stays signed, and ``refresh`` looks it up. Raises TransactionRefused if the
        node refuses it for an unknown reason; the write stays signed then too.
        """

    def refresh(self) -> None:
        """Look up what has become of the journal's writes, record it, and send again what got lost.

        Raises ChainUnavailable, ChainMismatch.
        """


_log = logging.getLogger(__name__)

REPLACE_AFTER_S = 120
FEE_CAP = 500 * 10**9  # wei per gas
GAS_MARGIN = (5, 4)  # of the estimate: the state may change until the transaction is mined
FEE_STEP = (5, 4)  # of the old fees: nodes take a replacement from 1.1 times on


@dataclass(eq=False, repr=False)
class ChainWriter:
    """Writes with the service's own key, and relays what others have signed. Threads may share it.

    ``clock`` gives unix seconds. A write of our own that is in no block after ``REPLACE_AFTER_S`` is replaced by one of
    the same nonce that pays more, up to ``FEE_CAP``.
    """

    _: KW_ONLY
    chain: ChainBackend
    journal: Journal
    signer: TransactionSigner
    clock: Callable[[], int]

    def __post_init__(self) -> None:
        self._lock = threading.RLock()
        self._stuck_for = ""  # why a stuck write was not replaced, as logged last

    @property
    def account(self) -> str:
        """Return the address of our own writes."""
        return self.signer.key_id

    def submit(
        self,
        purpose: Purpose,
        to: str | None,
        data: bytes,
        *,
        abi: ContractAbi | None = None,
        anchored: AnchoredHead | None = None,
        value: int = 0,
    ) -> ChainWrite:
        """Sign and journal a transaction of our own and hand it to the chain.

        Raises:
            Conflict: an earlier one is in no block yet; one is sent at a time.
            CallReverted: it would revert now (``abi`` names the error). Nothing is signed.
            ChainAhead: our key has sent what the journal does not know.
            Unavailable: the chain does not answer.
        """
        # The journal is brought up to date first: the checks below depend on what became of earlier writes.
        with self._lock:
            self.chain.refresh()
            waiting = self._in_no_block()
            if waiting:
                raise Conflict(
                    "write {waiting} is {state} and in no block yet",
                    waiting=waiting[0].number,
                    state=waiting[0].state,
                    code="write_in_flight",
                    hint="Refresh until it is in a block, then submit again.",
                )
            self._require_in_step()
            transaction = self.prepare(self.account, to, data, abi=abi, value=value)
            return self._commit(sign(transaction, self.signer), purpose, anchored)

    def relay(self, signed: SignedTransaction, purpose: Purpose, *, abi: ContractAbi) -> ChainWrite:
        """Journal what another has signed and hand it to the chain; return the write if the chain has it already.

        Requires that the caller has checked what it calls.

        Raises:
            RuleRefused: it is for another chain, has too little gas, or the node refuses it (``transaction_refused``):
                it stays journaled then, and is sent again.
            CallReverted: it would revert now.
            Conflict: its nonce is not the sender's next, or that of another call of the sender's, which waits.
            Unavailable: the chain does not answer.
        """
        with self._lock:
            # Sent again, the same bytes are the same write.
            journaled = self.journal.find(signed.hash)
            if journaled is not None and journaled.state is not WriteState.SIGNED:
                return journaled
            self.chain.refresh()
            if journaled is not None:
                return self._relay(self.journal.find(signed.hash) or journaled)
            # A gap in the sender's nonces would leave the transaction waiting for ever.
            self._require_next(signed)
            self._require_none_waits(signed)
            transaction = signed.transaction
            needed = self._estimate(signed.sender, transaction.to, transaction.data, abi)
            if transaction.gas < needed:
                raise RuleRefused(
                    "expected a gas limit of {needed} or more, not {transaction.gas}",
                    needed=needed,
                    transaction=transaction,
                    field="raw",
                    code="gas_too_low",
                )
            return self._relay(self._journal(signed, purpose, None))

    def refresh(self) -> None:
        """Look up what has become of all writes, and replace one that is stuck.

        Raises ChainUnavailable, ChainMismatch.
        """
        with self._lock:
            self.chain.refresh()
            try:
                reason = self._replace_stuck()
            except ChainUnavailable as error:  # what became of the others is known all the same
                reason = str(error)
            if reason and reason != self._stuck_for:
                _log.warning("a stuck write could not be replaced: %s", reason)
            self._stuck_for = reason

    def settle(self, write: ChainWrite, *, timeout_seconds: float, poll_seconds: float = 0.5) -> ChainWrite:
        """Return the write, or the one that replaced it, once it is confirmed or invalid.

        Raises Unavailable if it is neither in time.
        """
        deadline = time.monotonic() + timeout_seconds
        while write.state not in SETTLED:
            if time.monotonic() > deadline:
                hint = self._lack_of_funds(write.sender, write.raw_transaction)
                raise Unavailable(
                    "write {write.number} is still {write.state}", write=write, code="chain_unconfirmed", hint=hint
                )
            self.refresh()
            write = self._as_journaled(write)
            if write.state not in SETTLED:
                time.sleep(poll_seconds)
        return write

    def prepare(
        self, sender: str, to: str | None, data: bytes, *, abi: ContractAbi | None, value: int = 0
    ) -> Transaction:
        """Return the transaction that ``sender`` has to sign now, with gas to spare.

        Raises CallReverted, Unavailable.
        """
        estimate = self._estimate(sender, to, data, abi, value)
        return Transaction(
            chain_id=self.chain.chain_id,
            nonce=self.chain.eth.nonce(sender, "pending"),
            to=to,
            data=data,
            gas=estimate * GAS_MARGIN[0] // GAS_MARGIN[1],
            fees=self.chain.fees(),
            value=value,
        )

    # -- one transaction -----------------------------------------------------------------------------------------------

    def _commit(self, signed: SignedTransaction, purpose: Purpose, anchored: AnchoredHead | None) -> ChainWrite:
        """Journal a transaction of our own and hand it to the chain."""
        write = self._journal(signed, purpose, anchored)
        try:
            return self.chain.deliver(write)
        except TransactionRefused as error:
            raise error.amended(hint=self._lack_of_funds(signed.sender, signed.raw)) from error

    def _relay(self, write: ChainWrite) -> ChainWrite:
        """Hand a journaled write of another to the chain, unless it has it by now. Raises RuleRefused."""
        if write.state is not WriteState.SIGNED:
            return write
        try:
            return self.chain.deliver(write)
        except TransactionRefused as error:
            # No 503: a client would send it again by itself, and whoever revokes a key has to learn why it still signs.
            raise RuleRefused(
                "nothing has changed yet: the chain node refuses the transaction: {reason}",
                reason=error.rpc_message,
                code=error.code,
                hint=self._lack_of_funds(write.sender, write.raw_transaction)
                or "The service sends it again by itself. If this lasts, ask the operator of the service.",
            ) from error

    def _journal(self, signed: SignedTransaction, purpose: Purpose, anchored: AnchoredHead | None) -> ChainWrite:
        """Append the signed transaction to the journal, durably, before anybody else receives it (the commit point)."""
        last = self.journal.last()
        write = ChainWrite(
            number=last.number + 1 if last else 1,
            purpose=purpose,
            chain_id=signed.transaction.chain_id,
            sender=signed.sender,
            nonce=signed.transaction.nonce,
            raw_transaction=signed.raw,
            transaction_hash=signed.hash,
            # Later than the last one, even if the clock was set back: blocks need rising times.
            timestamp=max(self.clock(), (last.timestamp if last else GENESIS_TIMESTAMP) + 1),
            anchored=anchored,
        )
        # Durable first: a transaction that the chain has and the journal lacks could never be explained.
        self.journal.append(write)
        return write

    def _lack_of_funds(self, sender: str, raw_transaction: bytes) -> Message | None:
        """Return what to do about it if the sender cannot pay for the transaction, else None."""
        transaction = decode(raw_transaction).transaction
        needed = transaction.value + transaction.gas * transaction.fees.max_fee
        try:
            balance = self.chain.eth.balance(sender, "latest")
        except ChainUnavailable:
            return None
        if balance >= needed:
            return None
        return Message(
            "Send the account {sender} the chain's currency: it has {balance} wei, and this may cost {needed}.",
            sender=sender,
            balance=balance,
            needed=needed,
        )

    def _as_journaled(self, write: ChainWrite) -> ChainWrite:
        """Return the write as the journal has it now, or the write of ours that has taken its nonce."""
        journaled = self.journal.find(write.transaction_hash) or write
        if journaled.state is not WriteState.INVALID or write.sender != self.account:
            return journaled
        of_nonce = (
            candidate
            for candidate in self.journal.writes()
            if (candidate.sender, candidate.nonce) == (write.sender, write.nonce)
        )
        return next((candidate for candidate in of_nonce if candidate.state is not WriteState.INVALID), journaled)

    def _estimate(self, sender: str, to: str | None, data: bytes, abi: ContractAbi | None, value: int = 0) -> int:
        try:
            return self.chain.eth.estimate_gas(sender, to, data, value)
        except RpcRefused as error:
            raise (abi.reverted(error) if abi else None) or error from error

    def _require_next(self, signed: SignedTransaction) -> None:
        transaction = signed.transaction
        if transaction.chain_id != self.chain.chain_id:
            raise RuleRefused(
                "expected a transaction for chain {chain_id}, not {transaction.chain_id}",
                chain_id=self.chain.chain_id,
                transaction=transaction,
                field="raw",
                code="wrong_chain",
            )
        expected = self.chain.eth.nonce(signed.sender, "pending")
        if transaction.nonce != expected:
            raise Conflict(
                "expected nonce {expected} of {signed.sender}, not {transaction.nonce}",
                expected=expected,
                signed=signed,
                transaction=transaction,
                field="raw",
                code="wrong_nonce",
                hint="Prepare the transaction anew and sign it again.",
            )

    def _require_none_waits(self, signed: SignedTransaction) -> None:
        """Require that no other call waits for this nonce: the chain takes one of the two, and loses the other."""
        for write in self.journal.unsettled():
            if (write.sender, write.nonce) != (signed.sender, signed.transaction.nonce):
                continue
            if _call(decode(write.raw_transaction).transaction) != _call(signed.transaction):
                raise Conflict(
                    "an earlier change of {write.sender} waits for the chain, and this one would take its place",
                    write=write,
                    field="raw",
                    code="change_waits",
                    hint=self._lack_of_funds(write.sender, write.raw_transaction)
                    or "The service sends it again by itself. Once it is in a block, prepare this one anew.",
                )

    def _require_in_step(self) -> None:
        """Require that the chain and the journal have the same next nonce of our own account."""
        sender = self.account
        nonce, expected = self.chain.eth.nonce(sender, "pending"), self.journal.next_nonce(sender)
        if expected is None or nonce == expected:
            return
        if nonce > expected:
            raise ChainAhead(
                "expected {expected} transactions of {sender} on the chain, as in the journal, not {nonce}",
                expected=expected,
                sender=sender,
                nonce=nonce,
                hint="The database was rolled back, or the key is used elsewhere. Restore the newest backup.",
            )
        raise Unavailable(
            "the chain node knows {nonce} transactions of {sender}, the journal {expected}",
            nonce=nonce,
            sender=sender,
            expected=expected,
            code="chain_behind",
        )

    def _in_no_block(self) -> list[ChainWrite]:
        """Return our own writes that are in no block yet, in order."""
        unsettled = self.journal.unsettled()
        return [write for write in unsettled if write.sender == self.account and write.block_number is None]

    # -- a transaction that nobody mines -------------------------------------------------------------------------------

    def _replace_stuck(self) -> str:
        """Replace our newest write in no block, if it is old enough and its nonce is still free; else return why not.

        Raises ChainUnavailable.
        """
        waiting = self._in_no_block()
        if not waiting or self.clock() - waiting[-1].timestamp < REPLACE_AFTER_S:
            return ""
        stuck = waiting[-1]
        # Its nonce is used: it, or an earlier version of it, is in a block that the next refresh finds.
        if self.chain.eth.nonce(self.account, "latest") != stuck.nonce:
            return ""
        old = decode(stuck.raw_transaction).transaction
        fees = _raised(old.fees, self.chain.fees())
        if fees.max_fee > FEE_CAP:
            return f"write {stuck.number} waits: replacing it takes more than the fee cap"
        self._commit(sign(replace(old, fees=fees), self.signer), stuck.purpose, stuck.anchored)
        return ""


def _call(transaction: Transaction) -> tuple[str | None, bytes, int]:
    """Return what a transaction does, whatever it pays for it."""
    return transaction.to, transaction.data, transaction.value


def _raised(old: Fees, current: Fees) -> Fees:
    """Return fees that nodes accept for replacing the old ones, and no lower than the current ones."""

    def raised(fee: int, current_fee: int) -> int:
        return max(fee * FEE_STEP[0] // FEE_STEP[1] + 1, current_fee)

    priority = None if old.priority_fee is None else raised(old.priority_fee, current.priority_fee or 0)
    return Fees(raised(old.max_fee, current.max_fee), priority)
