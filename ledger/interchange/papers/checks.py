"""What a certificate tells of the verification: its steps in words, where the record is, how to check it."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256

from blake3 import blake3

from ledger.core.procedure.legal_days import with_readable_times
from ledger.core.verification.report import Step
from ledger.core.verification.trust import Trust
from ledger.interchange.papers.certified import Certified
from ledger.interchange.papers.sheet import UNSAID, Block, CheckLine, Checks, Fact, Facts, Words
from ledger.interchange.papers.voice import Voice


def checks_of(voice: Voice, certified: Certified) -> Iterator[Block]:
    """Each numbered step in words: of a case those of the whole, then those of its events together."""
    if not certified.case_steps:
        lines = tuple(_line(voice, step, "check") for step in certified.last.report.steps)
        yield Checks(voice.paper("heading.checks"), lines)
        return
    yield Checks(
        voice.paper("heading.case_checks"), tuple(_line(voice, step, "case_check") for step in certified.case_steps)
    )
    by_number = zip(*(event.report.steps for event in certified.events), strict=True)
    lines = tuple(_line(voice, *_weakest(steps)) for steps in by_number)
    yield Checks(voice.paper("heading.each_checks", count=str(len(certified.events))), lines)


def unchecked(voice: Voice, certified: Certified) -> Words:
    """The steps that were not checked, or not for every event: what stands beside the verdict."""
    steps = (*certified.case_steps, *(step for event in certified.events for step in event.report.steps))
    left = dict.fromkeys((step.number, step.name) for step in steps if step.result != "checked")
    if not left:
        return UNSAID
    names = voice.each(
        lambda labels: labels.of("telling", "separator").join(
            f"{number} {labels.of('step', name)}" for number, name in left
        )
    )
    return voice.paper("unchecked", steps=names)


def _weakest(steps: tuple[Step, ...]) -> tuple[Step, str, int, int]:
    """The first that was not checked stands for all, and how many were."""
    left = [step for step in steps if step.result != "checked"]
    return (left or steps)[0], "check", len(steps) - len(left), len(steps)


def _line(voice: Voice, step: Step, words: str, checked: int = 0, of: int = 0) -> CheckLine:
    result = step.result
    told = voice.of("result", result)
    if of > 1 and checked < of:
        told = voice.paper("checked_of", checked=str(checked), of=str(of))
    meaning = voice.paper(f"{words}.{step.name}.{result}")
    detail = with_readable_times(step.detail) if of <= 1 or checked < of else ""
    return CheckLine(step.number, voice.of("step", step.name), result, told, meaning, detail)


def statements(voice: Voice, certified: Certified) -> Block:
    """What stands beside the verdict: whether the rules were kept, and whether anything is left out."""
    return Facts(
        voice.paper("heading.beside"),
        (
            Fact(voice.field("conformity"), voice.of("statement", certified.conformity.result)),
            Fact(voice.field("completeness"), voice.of("statement", certified.completeness.result)),
        ),
    )


def where_recorded(voice: Voice, certified: Certified, trust: Trust) -> Iterator[Fact]:
    """Ledger, state of the log, contract and blocks, with what of it is only said."""
    report, anchor = certified.last.report, certified.anchor
    yield Fact(voice.field("log_id"), (f"0x{trust.log_id.hex()}",), exact=True)
    yield Fact(voice.field("log_key"), (trust.log_key.vkey(),), exact=True)
    if report.subject.root is not None:
        yield Fact(voice.field("size"), (str(report.subject.size),))
        yield Fact(voice.field("root"), (report.subject.root,), exact=True)
    if anchor is not None:
        yield Fact(voice.field("chain_id"), (str(anchor.chain.chain_id),))
        yield Fact(voice.field("contract"), (anchor.contract,), exact=True)
    if report.record is not None:
        yield Fact(voice.field("recorded_in"), voice.paper("in_block", number=str(report.record.block_number)))
    if report.block is not None:
        number = str(report.block.number)
        told = voice.paper("block_trusted" if report.block.trusted else "block_unknown", number=number)
        yield Fact(voice.field("ends_in_block"), told)
        yield Fact(voice.field("ends_in_hash"), (report.block.hash,), exact=True)


def how_to_check(voice: Voice, data: bytes, certified: Certified) -> Block:
    """The attachment with its hashes, and what to do with it."""
    file = f"{certified.name}.bundle.json"
    return Facts(
        voice.paper("heading.how"),
        (
            Fact(voice.field("attached"), voice.paper("attached", file=file, size=str(len(data)))),
            Fact(("SHA-256",), (sha256(data).hexdigest(),), exact=True),
            Fact(("BLAKE3",), (blake3(data).hexdigest(),), exact=True),
            Fact(voice.field("online"), voice.paper("online")),
            Fact(voice.field("offline"), (f"tally proof check {file} --trust TRUST.json",), exact=True),
            Fact(voice.field("trusting"), voice.paper("trusting")),
        ),
        together=True,
    )
