"""Watching: looks at log and chain again and again, and raises alarms about either.

One look takes the chain's final block first and the log's checkpoint after it: what the block has anchored, the log
must have published.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from threading import Event

from ledger.chain.errors import WrongChain
from ledger.chain.eth import BlockRef
from ledger.core.errors import IntegrityBroken, TallystickError, Unavailable
from ledger.core.log.checkpoints import Checkpoint, verify_checkpoint
from ledger.core.log.head_map import PageChanged
from ledger.core.log.merkle import as_hash
from ledger.core.log.replay import LogFault, LogUnreadable, SignedInFuture
from ledger.core.messages import Message
from ledger.core.trust.trust_file import Trust
from ledger.loggers import get_logger
from ledger.store.witness import SeenAnchor, WitnessProgress
from ledger.witness.contracts import Contracts
from ledger.witness.follow import LogFollower
from ledger.witness.source import LogUnreachable

logger = get_logger(__name__)


class Since:
    """Measures how long a condition has held. ``clock`` gives unix milliseconds."""

    def __init__(self, clock: Callable[[], int]):
        self._clock = clock
        self._began: int | None = None

    def seconds(self, is_so: bool) -> float:
        """Return for how many seconds the condition has held without a break; 0 if it does not hold."""
        if not is_so:
            self._began = None
            return 0.0
        now = self._clock()
        self._began = now if self._began is None else min(self._began, now)
        return (now - self._began) / 1000


@dataclass(eq=False, repr=False)
class Watch:
    """Takes looks until it is stopped. ``anchor_lag_s`` and ``mirror_lag_s`` are the delays that raise no alarm yet."""

    trust: Trust
    follower: LogFollower
    contracts: Contracts
    _: KW_ONLY
    reach_timeout_s: float
    anchor_lag_s: int
    mirror_lag_s: int

    def __post_init__(self) -> None:
        self.store, self.alarms, self.clock = self.follower.store, self.follower.alarms, self.follower.clock
        self._unanchored = Since(self.clock)
        self._unmirrored = Since(self.clock)

    def run(self, stop: Event, pause_s: float) -> None:
        """Look until ``stop`` is set."""
        while not stop.is_set():
            self.try_look()
            stop.wait(pause_s)

    def try_look(self) -> None:
        """Take a look whose failure is an alarm; the next look is taken in any case."""
        try:
            self._look_or_warn()
        except TallystickError as error:
            logger.warning("look failed", code=error.code, reason=error.for_operator)
        except Exception:
            logger.exception("a look that failed could not be told of")

    def _look_or_warn(self) -> None:
        try:
            self.look()
        except LogFault:
            pass  # the alarm was raised where it was found
        except PageChanged as error:
            self.alarms.warn("look_failed", Message("{error}. {hint}", error=error.for_operator, hint=error.hint))
            raise
        except TallystickError:
            raise
        except Exception as error:
            logger.exception("look failed for a reason that nobody foresaw")
            failure = f"a look ended in a way that nobody foresaw ({type(error).__name__}): a defect of this witness"
            self.alarms.warn("look_failed", failure)
        else:
            self.alarms.passed("look_failed")

    def look(self) -> None:
        """Look at chain and log once. Raises LogFault, after the alarm, and what prevents further looks."""
        self.store.store_unstored()
        final = self._final_block()
        try:
            published = self.look_at_log()
        except LogUnreachable as error:
            self.alarms.warn("unreachable", error.for_operator)
            raise
        except SignedInFuture as error:
            self.alarms.passed("unreachable", "unreadable", "chain_behind")
            self.alarms.warn("signed_in_future", error.for_operator)
            raise
        except LogUnreadable as error:
            self.alarms.passed("unreachable")
            self.alarms.warn("unreadable", error.for_operator)
            raise
        except LogFault:  # it answers, and serves what shows the fault
            self.alarms.passed("unreachable", "unreadable")
            raise
        except Unavailable as error:
            if error.code == "chain_behind":
                self.alarms.warn("chain_behind", Message("{error}. {hint}", error=error.for_operator, hint=error.hint))
            raise
        self.alarms.passed("unreachable", "unreadable", "signed_in_future", "chain_behind")
        if final is not None:
            self._compare(final, published)

    def look_at_log(self) -> Checkpoint:
        """Follow up to the checkpoint that the log publishes now, and return it."""
        before = self.store.looked()  # other threads look too: what they see after this is no rollback
        at = self.clock()
        note = self.follower.source.checkpoint()
        try:
            checkpoint = verify_checkpoint(note, self.trust.log_key_of(note))
        except TallystickError as error:
            raise LogUnreadable("what the log publishes is no checkpoint of its key: {error}", error=error) from error
        self._require_no_less(checkpoint, note, before)
        self.store.keep_seen(checkpoint.size, note)
        self.reach(checkpoint, note)
        self.store.keep_look(at, checkpoint.size)
        return checkpoint

    def reach(self, checkpoint: Checkpoint, note: str) -> None:
        """Follow up to a verified checkpoint, as ``LogFollower`` does."""
        self.follower.reach(checkpoint, note, timeout_s=self.reach_timeout_s)

    def _require_no_less(self, checkpoint: Checkpoint, note: str, before: WitnessProgress) -> None:
        """Require that the log publishes no less than before, and serves what it has signed.

        Witnesses may be shown more than is published: checkpoints that wait for their quorum.
        """
        present = f"the log publishes size {checkpoint.size}"
        if checkpoint.size < before.seen_size:
            self._fault(
                LogFault(
                    "rollback", "{present}, and has published {before.seen_size} before", present=present, before=before
                ),
                note,
            )
        if checkpoint.size < before.size and not self.follower.source.shows(before.size):
            followed = f"no more of what was followed up to {before.size}, which it has signed"
            self._fault(
                LogFault("rollback", "{present}, and shows {followed}", present=present, followed=followed), note
            )

    # -- the chain -----------------------------------------------------------------------------------------------------

    def _final_block(self) -> BlockRef | None:
        try:
            final = self.contracts.final()
        except WrongChain as error:
            self.alarms.warn("wrong_chain", error.for_operator)
        except Unavailable as error:
            self.alarms.warn("chain_unreachable", error.for_operator)
        else:
            self.alarms.passed("wrong_chain", "chain_unreachable")
            return final
        return None

    def _compare(self, final: BlockRef, published: Checkpoint) -> None:
        try:
            self._compare_registry(final)
            self._compare_anchors(final, published)
        except LogFault:
            raise
        except IntegrityBroken as error:
            self.alarms.warn("wrong_chain", error.for_operator)
        except LogUnreadable as error:
            self.alarms.warn("unreadable", error.for_operator)
        except Unavailable as error:
            self.alarms.warn("chain_unreachable", error.for_operator)

    def _compare_registry(self, final: BlockRef) -> None:
        """Check that the chain has what the log mirrors, and that no change waits too long to be mirrored."""
        authority = self.follower.followed.authority
        missing = self.contracts.unmirrored(authority, final)
        if self._unmirrored.seconds(missing > 0) > self.mirror_lag_s:
            number = authority.changes + 1
            text = Message("the log does not mirror change {number} of the registry, which is final", number=number)
            self.alarms.warn("mirror_lag", text)
        elif not missing:
            self.alarms.passed("mirror_lag")

    def _compare_anchors(self, final: BlockRef, published: Checkpoint) -> None:
        """Check that each final anchor is of the followed log, that none seen before is gone, and that none is late."""
        last_seen = self.store.looked().anchor
        contracts = self.contracts.at(final)
        last = contracts.head()
        if last.number < last_seen.number:
            text = Message(
                "anchor {anchor.number} of size {anchor.size} was final, and is no longer on the chain",
                anchor=last_seen,
            )
            self.alarms.warn("missing_anchor", text)
            return
        for record in contracts.records(last_seen.number):
            anchored = Checkpoint(self.trust.origin, record.size, as_hash(record.root, "root"))
            described = Message(
                "anchor {record.number} on the chain: root {root} at size {record.size}",
                record=record,
                root=record.root.hex(),
            )
            if record.size > published.size:
                fault = LogFault(
                    "rollback",
                    "the log publishes size {published.size}, less than {described}",
                    published=published,
                    described=described,
                )
                self._fault(fault, described)
            self.reach(anchored, described)
            last_seen = SeenAnchor(record.number, record.size, record.root)
        if last_seen != self.store.looked().anchor:
            self.store.keep_anchor(last_seen)
            self._unanchored.seconds(is_so=False)
        self.alarms.passed("missing_anchor")
        # Housekeeping alone is not anchored.
        waiting = self.follower.followed.acts > last_seen.size
        if self._unanchored.seconds(waiting) > self.anchor_lag_s:
            text = Message(
                "the log has {size} entries, the chain {last_seen.size}: no anchor for more than {lag_s} s",
                size=max(published.size, self.follower.followed.size),
                last_seen=last_seen,
                lag_s=self.anchor_lag_s,
            )
            self.alarms.warn("anchor_lag", text)
        else:
            self.alarms.passed("anchor_lag")

    def _fault(self, fault: LogFault, shown: str) -> None:
        self.alarms.halt(fault, {"checkpoint": shown} | self.store.notes())
        raise fault
