"""The certificate, with its bundle inside: what is proven, in words, and what is not."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from msgspec import to_builtins
from msgspec.structs import replace
from pypdf import PdfReader

from ledger.core.encoding import canonical
from ledger.core.encoding.instants import unix_seconds
from ledger.core.errors import IntegrityBroken, MalformedInput, NotFound
from ledger.core.events.case import CaseSplit
from ledger.core.events.handover import HandoverRecalled
from ledger.core.events.item import ItemMoved, ItemSplit, Seizure
from ledger.core.procedure.adoption import Procedures
from ledger.core.trust.trust_file import Trust, parse_trust
from ledger.core.verification.bundle import Bundle, encode_bundle
from ledger.core.verification.case import verify_case
from ledger.core.verification.report import OtherLedger
from ledger.core.verification.verify import EVENT_STEPS, STEPS, verify_event
from ledger.i18n import Labels, zone_in_use
from ledger.interchange.papers.certificate import LIMITS, CertificateRequest, certificate
from ledger.interchange.papers.certified import certify
from ledger.interchange.papers.paper_text import PaperLanguage
from ledger.interchange.papers.sheet import ChecksBlock, Sheet, Words
from ledger.interchange.papers.typeset import typeset
from ledger.procedures import books_that_ship, shipped_procedures, shipped_rulebook
from tests.testkit.builders import POLICE, PROCURATORATE, START, SignedEvent, Writer, clerk, instant, section, signed
from tests.testkit.bundles import TWO_OF_THREE, WITNESSES, founded, log_with, naming, tree, trust
from tests.testkit.casework import Case, got, late_arrest, part, registration
from tests.testkit.machine import REPOSITORY
from tests.testkit.published_vectors import VECTORS, files
from tests.testkit.tally import Tally, write_bundle, write_trust
from tests.testkit.time_zones import utc_times
from tests.unit.interchange.test_typeset import text_of

# -- the certificate ---------------------------------------------------------------------------------------------------


TAKEN = Seizure(document_number="S-19", seized_at=instant(START - 7200), officers=("p-1", "p-2"))
CASE = (
    Case()
    .open(case_number="东公〔2026〕0417号")
    .act(registration("phone", seizure=TAKEN), sections={"note": section("note", said="nobody may read this")})
    .register("image", kind="electronic_data")
    .offer("phone", "image", to=PROCURATORATE)
    .accept(received=(got("phone", condition="screen broken"),))
)
LOG = founded(POLICE, PROCURATORATE)
LOG.add(*CASE.events)
NOTE = LOG.note(witnesses=[(witness, START + 5000) for witness in WITNESSES[:2]])
PROCEDURES = shipped_procedures()
UK = books_that_ship()["ew-criminal"]
OF_CASE = LOG.case_bundle(note=NOTE)
OF_EVENT = LOG.bundle(len(LOG.events) - 1, NOTE)
TRUST = naming(OF_CASE, policy=TWO_OF_THREE, development=False)
NO_BLOCK = trust(TWO_OF_THREE, development=False)
ENGLISH = re.compile(r"\b[a-z]{2,} [a-z]{2,}\b")  # two words of a sentence


def certified_as(
    bundle: Bundle,
    language: PaperLanguage = "en",
    using: Trust = TRUST,
    *,
    log: bool = False,
    **asked: str,
) -> Sheet:
    """Return the certificate of a bundle."""
    data = encode_bundle(bundle)
    certified = certify(data, using, PROCEDURES, entries=LOG.entries() if log else None)
    return certificate(CertificateRequest(data, using, PROCEDURES, language, **asked), certified)


def text_in(*bundles: Bundle, **options: Any) -> str:
    """Return the certificate's words in one line, after checking that all its times are in one zone."""
    text = " ".join(words_in(to_builtins(certified_as(*bundles, **options))))
    assert utc_times(text) == []
    assert re.findall(r"\bcheck\.\w+", text) == []  # the name of a text that the catalogues do not have
    return text


def details_of(sheet: Sheet) -> list[Words]:
    """Return what the steps of a certificate's verification compared."""
    checks = [block for block in sheet.blocks if isinstance(block, ChecksBlock)]
    return [step.detail for block in checks for step in block.steps if step.detail]


def words_in(value: Any) -> Iterator[str]:
    if isinstance(value, dict | list | tuple):
        for part in value.values() if isinstance(value, dict) else value:
            yield from words_in(part)
    elif isinstance(value, str | int) and not isinstance(value, bool):
        yield str(value)


@pytest.mark.parametrize("bundle", [OF_CASE, OF_EVENT], ids=["case", "event"])
def test_the_bundle_is_inside_and_still_proves_it(bundle: Bundle) -> None:
    """The attachment is the bundle, byte by byte, under its name, and a check of it says intact."""
    pdf = typeset(certified_as(bundle), encode_bundle(bundle).decode())
    reader = PdfReader(io.BytesIO(pdf))
    ((name, (attached,)),) = reader.attachments.items()
    assert attached == encode_bundle(bundle)
    if bundle is OF_CASE:
        assert name == "case-1.bundle.json"
        assert verify_case(attached, TRUST, PROCEDURES).verdict == "intact"
    else:
        assert verify_event(attached, TRUST).report.verdict == "intact"
    assert sha256(attached).hexdigest() in text_of(pdf)
    claims = reader.xmp_metadata
    assert claims is not None
    assert (claims.pdfaid_part, claims.pdfaid_conformance) == ("3", "B")


def test_a_case_is_told_with_items_chain_digests_and_times() -> None:
    """Each event in its sentence, with the digest that was signed; each item with holder, digests and the time before
    its first record; claimed and proven times side by side."""
    text = text_in(OF_CASE)
    assert "东公〔2026〕0417号" in text
    assert "procuratorate-east accepts from police-east for prosecution review" in text
    assert "2 h 1 min" in text
    assert "2026-03-02 10:06" in text  # by the anchor's block
    for event in CASE.events:
        assert event.digest in text
    for digest in CASE.state.items["image"].digests:
        assert digest in text
    assert "nobody may read this" not in text


def test_every_step_is_told_in_words_and_what_was_not_checked_says_so() -> None:
    """All by number; without a trusted block nothing is told of the record on the chain."""
    text = text_in(OF_EVENT, language="zh-CN", using=NO_BLOCK)
    for number, (name, _) in enumerate((*STEPS, *EVENT_STEPS), 1):
        assert f"{number} {Labels('zh-CN').of('step', name)}" in text
    assert "没有可信区块" in text
    assert "各见证方是否相互独立，不在证明之内" in text


@pytest.mark.parametrize("using", [TRUST, NO_BLOCK], ids=["checked", "not checked"])
@pytest.mark.parametrize("bundle", [OF_CASE, OF_EVENT], ids=["case", "event"])
def test_what_a_step_compared_is_told_in_the_language_of_the_certificate(bundle: Bundle, using: Trust) -> None:
    """A Chinese one has no English sentence in it; one in both languages has each detail in both."""
    chinese, english, both = (details_of(certified_as(bundle, name, using)) for name in ("zh-CN", "en", "both"))
    assert [detail[0] for detail in both] == [detail[0] for detail in chinese]
    assert [detail[-1] for detail in both] == [detail[0] for detail in english]
    assert any(ENGLISH.search(detail[0]) for detail in english)
    assert [detail for detail in chinese if ENGLISH.search(detail[0])] == []


def test_what_was_not_checked_stands_beside_the_verdict() -> None:
    """By number and name; nothing where all was checked."""
    assert "Not checked: 4 block, 5 anchor, 11 revocation" in text_in(OF_EVENT, using=NO_BLOCK)
    certified = certify(encode_bundle(OF_EVENT), TRUST, PROCEDURES)
    report = certified.last.report
    checked = replace(report, steps=tuple(replace(step, result="checked") for step in report.steps))
    whole = replace(certified, events=(replace(certified.last, report=checked),))
    assert certificate(CertificateRequest(encode_bundle(OF_EVENT), TRUST, PROCEDURES, "en"), whole).beside == ()


def test_what_it_does_not_prove_stands_on_every_certificate() -> None:
    """Unaltered since it was put there, and no more; a development ledger says that it is one."""
    for language in ("zh-CN", "en"):
        labels = Labels(language)
        text = text_in(OF_EVENT, language=language)
        for name in LIMITS:
            assert labels.of("paper", f"limit.{name}") in text, name
    assert "since it was put there" in text_in(OF_EVENT)
    assert "development ledger" not in text_in(OF_EVENT)
    assert "development ledger" in text_in(OF_EVENT, using=trust())


def test_only_a_copy_of_the_log_shows_that_nothing_came_after() -> None:
    """Without one the certificate says that this is not shown."""
    assert "It is not shown that nothing was left out, or came after" in text_in(OF_CASE)
    assert "the log has no other event of the case" in text_in(OF_CASE, log=True)


def test_what_stands_beside_the_verdict_is_told() -> None:
    """That the rules were broken, or that events are left out, is no tampering: it is certified, and the certificate
    says both, right beside the verdict."""
    text = text_in(OF_CASE, log=True)
    assert (
        "Verdict: intact — unaltered since it was put into the ledger Flags raised by the rules: 1, listed below"
        in text
    )
    assert "acts possible under the rules shown: 5 acts were possible by cn-criminal 1" in text
    assert "1 flags; by the times claimed, no time limit that can be counted was exceeded up to" in text
    assert "flags 1 completeness shown: none of the" in text
    assert f"event of the stream procedure (digest of its package) {shipped_rulebook().digest}" in text
    (*subjects, _) = (index for index, event in enumerate(LOG.events) if event.envelope.stream.kind == "case")
    text = text_in(LOG.file(subjects, NOTE, stream=LOG.events[-1].envelope.stream), log=True)
    contradicted = "Against it: The log has other events of the case than this bundle."
    assert f"Verdict: intact — unaltered since it was put into the ledger {contradicted}" in text
    writer = Writer("case", "case-1")
    writer.write(CASE.events[0].payload.body, clerk(POLICE))
    writer.write(HandoverRecalled(handover_id="handover-1", ground="none"), clerk(POLICE))
    log = founded(POLICE)
    log.add(*writer.events)
    broken = log.case_bundle()
    text = text_in(broken, using=naming(broken))
    assert "Verdict: intact" in text
    assert "Against it: An act was not possible under the custody rules" in text


def test_an_older_head_map_is_said_to_leave_entries_out() -> None:
    """A holder can cut a case off and show the map from before: the certificate has that beside its verdict, and the
    ground beside the word, as the check of the bundle has it."""
    log = founded(POLICE)
    log.add(*CASE.events[:3])
    index = log.map_heads()
    log.add(*CASE.events[3:])
    note = log.note(witnesses=[(witness, START + 5000) for witness in WITNESSES[:2]])
    shown = log.mapped(index, note=note)
    cut = replace(shown, entries=tuple(entry for entry in shown.entries if entry.index <= index))
    text = text_in(cut, using=naming(cut, policy=TWO_OF_THREE))
    assert (
        "Verdict: intact — unaltered since it was put into the ledger The log has 3 entries after those up to" in text
    )
    assert f"completeness shown: these 3 events are all of the stream among the first {index} entries" in text
    assert "nothing is shown of the 3 entries after those" in text


def test_time_limits_that_were_not_kept_are_listed() -> None:
    """How many stands beside the verdict; of each until when it ran, and when it ended or that it is open."""
    log = log_with(late_arrest(), POLICE, PROCURATORATE)
    note = log.note(witnesses=[(witness, unix_seconds("2026-03-14T00:00:00Z")) for witness in WITNESSES[:2]])
    bundle = log.case_bundle(note=note, anchored=False)
    text = text_in(bundle, using=NO_BLOCK)
    assert "Time limits that were not kept, by the times claimed: 5, listed below" in text
    assert "request arrest of the detained person" in text
    assert "2026-03-06 00:00 2026-03-06 00:00 decide on the arrest" in text
    assert "2026-03-14 00:00 open at 2026-03-14 08:00" in text
    chinese = text_in(bundle, using=NO_BLOCK, language="zh-CN")
    assert "依所称时间未遵守的期限：5 项，见下表" in chinese
    assert "至 2026年3月14日08:00 仍未办结" in chinese
    assert "Time limits that were not kept" not in text_in(OF_CASE)


def test_an_event_by_a_key_of_another_role_has_that_beside_its_verdict() -> None:
    """With the reason, as the check of its bundle says it; and no step says that the grant covers the act."""
    data, trusted = files(next(vector for vector in VECTORS if vector["name"] == "a grant for another role"))
    using = parse_trust(trusted)
    for language, reason in (
        ("en", "expected a key with the role clerk or supervisor"),
        ("zh-CN", "须由经办人员、审批人的密钥签署"),
    ):
        sheet = certificate(CertificateRequest(data, using, PROCEDURES, language), certify(data, using, PROCEDURES))
        (beside,) = sheet.beside[0]
        assert reason in beside
        assert not re.search("covers the act|授权及于此行为", str(sheet))


def test_a_certificate_of_one_item_tells_of_that_alone() -> None:
    """Its own events; the whole case's bundle is attached all the same. An unknown item is not found."""
    text = text_in(OF_CASE, item_id="phone")
    assert "case-1 / phone" in text
    assert "opens the case" not in text
    assert "registers the phone" in text
    assert "The handling chain has 3 of the 5 events of the case: those about this item." in text
    assert "events of the case: those" not in text_in(OF_CASE)
    with pytest.raises(NotFound):
        certified_as(OF_CASE, item_id="knife")
    with pytest.raises(MalformedInput) as caught:
        certified_as(OF_EVENT, item_id="phone")
    assert "tally proof get --case" in str(caught.value.hint)


def test_the_chain_of_a_part_begins_with_the_whole() -> None:
    """Its certificate has the registration of what it was split from."""
    case = Case().open().register("notes", kind="property", quantity=10, fungible=True)
    case.say(ItemSplit, item_id="notes", parts=(part("a", 4), part("b", 6))).say(ItemMoved, item_id="b")
    log = founded(POLICE)
    log.add(*case.events)
    text = text_in(log.case_bundle(), using=trust(), item_id="a")
    assert "registers the notes" in text
    assert "moves" not in text


def test_an_event_alone_is_told_by_what_it_states() -> None:
    """Without the case around it nothing is read into it: its fields stand as they were signed."""
    text = text_in(OF_EVENT)
    assert "handover handover-1" in text
    assert "the case alone" not in text
    assert "screen broken" in text
    registered = text_in(LOG.bundle(len(LOG.events) - 3, NOTE))
    assert CASE.state.items["image"].digests[0] in registered


def test_a_case_that_rests_on_another_is_told_as_far_as_it_can_be_followed() -> None:
    """What came out of another case: each event by what it states, and the step says that custody was not derived."""
    giving = Case().open().register("phone")
    giving.say(CaseSplit, new_case_id="case-2", ground="another crime", item_ids=("phone",))
    taking = Case("case-2", start=giving.now).open(split_from=giving.last.ref, source=giving.state)
    log = founded(POLICE)
    log.add(*giving.events, *taking.events)
    text = text_in(log.case_bundle("case-2"), using=trust())
    assert "Custody could not be derived anew" in text
    assert "case type: theft" in text
    assert f"This case was split or joined ({giving.last.envelope.event_id}): what happened in the other case" in text
    assert "This case was split or joined (case-2): what" in text_in(log.case_bundle(), using=trust(), item_id="phone")


def test_the_chain_names_the_zone_of_its_times() -> None:
    """It is that of the procedure that the bundle carries, also where no act could be judged, as of the other case."""
    giving = Case(book=UK).open(business_line="criminal", stage="investigation", procedure="ew-criminal")
    giving.register("phone").say(CaseSplit, new_case_id="case-2", ground="another crime", item_ids=("phone",))
    taking = Case("case-2", start=giving.now, book=UK)
    fields = {"business_line": "criminal", "stage": "investigation", "procedure": "ew-criminal"}
    taking.open(split_from=giving.last.ref, source=giving.state, **fields)
    log = founded(POLICE)
    log.add(*giving.events, *taking.events)
    for case_id in ("case-1", "case-2"):
        data = encode_bundle(log.case_bundle(case_id))
        request = CertificateRequest(data, trust(), Procedures.of(UK), "en")
        text = " ".join(words_in(to_builtins(certificate(request, certify(data, trust(), request.procedures)))))
        assert "claimed (by the signer), UK time proven (existed by then), UK time" in text


def test_content_that_its_type_refuses_is_not_called_withheld() -> None:
    """It is shown, with the digest that was signed: whoever handed it over left nothing out."""
    case = Case().open().register("phone")
    refused = signed(replace(case.last.envelope, event_type="item.moved"), clerk(POLICE))
    log = founded(POLICE)
    log.add(case.events[0], SignedEvent(refused, case.last.payload))
    text = text_in(log.bundle(len(log.events) - 1), using=trust())
    assert "its content is shown in the bundle, but is not as this program knows its type" in text
    assert "its content is withheld" not in text


def test_a_proof_that_ends_in_a_block_names_it() -> None:
    """The example of the documents: contract and block, and that the verifier trusts it or does not."""
    bundle, trusted = ((REPOSITORY / "docs" / "examples" / name).read_bytes() for name in ("bundle.json", "trust.json"))
    using = parse_trust(trusted)
    certified = certify(bundle, using, PROCEDURES)
    assert certified.last.report.block is not None
    text = str(certificate(CertificateRequest(bundle, using, PROCEDURES, "en"), certified))
    assert certified.last.report.block.hash in text
    assert "(trusted by the verifier)" in text
    chains = tuple(replace(chain, trusted_blocks=()) for chain in using.chains)
    forgetful = replace(using, chains=chains, policy_text=trust().policy_text, development=True)
    unknown_block = certificate(
        CertificateRequest(bundle, forgetful, PROCEDURES, "en"), certify(bundle, forgetful, PROCEDURES)
    )
    assert "not known to the verifier: compare it with a node of your own" in str(unknown_block)


def test_an_agency_that_the_bundle_does_not_name_stands_by_its_id() -> None:
    """Names come from the mirror of the registry in the bundle, and from nowhere else."""
    case = Case().open().register("phone").offer("phone", to=PROCURATORATE)
    log = founded(POLICE)
    log.add(*case.events)
    certified = certify(encode_bundle(log.case_bundle()), trust(), PROCEDURES)
    assert set(certified.names) == {POLICE}
    assert certified.name_of(Labels("zh-CN"))(PROCURATORATE) == PROCURATORATE
    assert certified.name_of(Labels("zh-CN"))(POLICE) == f"{POLICE}机关"


def test_what_is_withheld_is_said_to_be() -> None:
    """A bundle without payloads certifies who signed what kind of event, not what it says."""
    bundle = LOG.case_bundle(note=NOTE, payload=None, sections={})
    text = text_in(bundle)
    assert "unverifiable" in text
    assert "its content is withheld" in text
    assert "screen broken" not in text
    assert "its content is withheld" in text_in(LOG.bundle(len(LOG.events) - 1, NOTE, payload=None))


def test_what_is_not_anchored_is_not_certified_as_intact() -> None:
    """The verdict stands in large letters, as it is: an anchor that was left out is not said to be none."""
    text = text_in(LOG.bundle(len(LOG.events) - 1, NOTE, anchored=False))
    assert "Verdict: not yet anchored, as far as is shown" in text
    assert "a record on a chain, and whether the key was revoked, are not proven" in text
    assert "Without a trusted block nothing is shown of a record" in text


def test_nothing_that_failed_is_certified() -> None:
    """Not an event, not a case; the refusal names the step, or the other ledger that the bundle is of.

    Nor is one whose note has no line by the log's key, so that no tree head is shown to have the event.
    """
    spoiled = tree(OF_EVENT)
    spoiled["entries"][-1]["payload"]["body"]["handover_id"] = "handover-2"
    with pytest.raises(IntegrityBroken, match="step 7, payload"):
        certify(as_bytes(spoiled), TRUST, PROCEDURES)
    whole = tree(OF_CASE)
    whole["entries"][-2]["payload"]["body"]["purpose"] = "appeal"
    with pytest.raises(IntegrityBroken, match="events"):
        certify(as_bytes(whole), TRUST, PROCEDURES)
    with pytest.raises(MalformedInput):
        certify(b"no bundle", TRUST, PROCEDURES)
    for bundle in (OF_EVENT, OF_CASE):
        text, _, lines = bundle.note.rpartition("\n\n")
        witnessed = [line for line in lines.splitlines(keepends=True) if f"— {text.split()[0]} " not in line]
        unsigned = replace(bundle, note="".join([text, "\n\n", *witnessed]))
        with pytest.raises(IntegrityBroken, match="without a tree head by the log's key"):
            certify(encode_bundle(unsigned), TRUST, PROCEDURES)
        with pytest.raises(OtherLedger, match=TRUST.log_id_text):
            certify(encode_bundle(bundle), replace(TRUST, log_id_text="0x" + "ab" * 32), PROCEDURES)


def as_bytes(value: object) -> bytes:
    return canonical.encode(value)


# -- the command -------------------------------------------------------------------------------------------------------


def test_the_command_certifies_a_file_offline(tmp_path: Path) -> None:
    """It writes the PDF, tells the verdict by its exit code, and never overwrites."""
    tally = Tally(tmp_path)
    bundle, trusted = write_bundle(tmp_path, LOG, len(LOG.events) - 1), write_trust(tmp_path)
    target = tmp_path / "c.pdf"
    done = tally.ok("proof", "certificate", bundle, "--trust", trusted, "--both", "--output", target)
    beside = {"conformity": "not_checked", "completeness": "not_checked"}
    assert done == {"file": str(target), "verdict": "intact"} | beside
    assert next(iter(PdfReader(target).attachments.values()))[0] == bundle.read_bytes()
    assert "scan" not in text_of(target.read_bytes()), "there is no page to scan for"
    linked = ("--verify-url", "https://ledger.test/verify", "--output", tmp_path / "linked.pdf")
    tally.ok("proof", "certificate", bundle, "--trust", trusted, *linked)
    assert text_of((tmp_path / "linked.pdf").read_bytes()).count("scan") == 2
    again = tally("proof", "certificate", bundle, "--trust", trusted, "--output", target)
    assert again.status != 0
    assert "there already" in again.err
    bundle = write_bundle(tmp_path, LOG, len(LOG.events) - 1, anchored=False)
    unanchored = tally("proof", "certificate", bundle, "--trust", trusted, "--output", tmp_path / "u.pdf")
    checked = tally("proof", "check", bundle, "--trust", trusted)
    assert unanchored.status == checked.status != 0
    assert "within ten minutes" in checked.out, "what is usual, and what to do"
    assert "十分钟" in tally("proof", "check", bundle, "--trust", trusted, "--lang", "zh-CN").out
    assert "ten minutes after the recording" in " ".join(text_of((tmp_path / "u.pdf").read_bytes()).split())
    wrong = tally("proof", "certificate", bundle, "--trust", trusted, "--verify-url", "javascript:alert(1)")
    assert "--verify-url" in wrong.err


@pytest.mark.parametrize("of", ["case", "event"])
def test_labels_and_zone_are_those_of_the_procedure(of: str) -> None:
    """Of a case by the version that judged its last act, of an event by the one that the request names."""
    book = UK
    case = Case(book=UK).open(business_line="criminal", stage="investigation", procedure="ew-criminal")
    case.name("li").decide("judgment", "li")
    log = founded(POLICE)
    log.add(*case.events)
    bundle = log.case_bundle() if of == "case" else log.bundle(len(log.events) - 1)
    data, procedures = encode_bundle(bundle), Procedures.of(book)
    request = CertificateRequest(data, trust(), procedures, "en", book=book if of == "event" else None)
    text = " ".join(words_in(to_builtins(certificate(request, certify(data, trust(), procedures)))))
    assert "verdict" in text
    assert "UK time" in text
    assert zone_in_use() != book.zone  # it is for this certificate alone
