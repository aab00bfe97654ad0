"""Acts: what an officer does by signing an event. Commands and pages take their names, order and words from here.

What an act asks for, the event's type says (``ledger.core.events.fields``).
"""

from __future__ import annotations

from typing import NamedTuple

from msgspec import Struct

from ledger.core.events.item import ItemPart
from ledger.core.messages import Message


class ActDefinition(NamedTuple):
    """``command`` is its group and name, ``title`` says in one sentence what is done, ``note`` what to know of it.

    ``makes`` is the field with the id of what the act brings in: it is made up unless it is given. Without one of the
    fields that it ``needs`` it is refused, although the event's type leaves them open; of the fields of ``one_of``,
    which stand under a heading, it takes exactly one.
    """

    command: str
    title: Message
    note: Message | None = None
    makes: str | None = None
    needs: tuple[str, ...] = ()
    one_of: tuple[Message, tuple[str, ...]] | None = None

    @property
    def group(self) -> str:
        """Return the first word of its command."""
        return self.command.partition(" ")[0]


# What the parts of an act bring in, by the field with the id: such an id, too, is made up unless it is given.
MADE_IN_PARTS: dict[type[Struct], str] = {ItemPart: "item_id"}
# Commands and groups of commands under the headings under which people look for them: in help, and among acts.
HEADINGS = (
    (Message("The case"), ("case", "search")),
    (Message("Persons"), ("person", "measure", "custody")),
    (Message("Items"), ("item", "stocktake", "evidence")),
    (Message("Handovers"), ("handover", "discrepancy")),
    (Message("Decisions and letters"), ("decision", "letter")),
    (Message("Deadlines"), ("deadline", "notice")),
    (Message("The record"), ("record", "section", "disclosure", "event", "import")),
    (Message("What is kept"), ("hold", "retention")),
    (
        Message("Supervision"),
        ("dataset", "pseudonym", "model", "library", "correlate", "report", "lead", "recommendation"),
    ),
    (Message("Proofs and audits"), ("proof", "paper", "audit", "access")),
    (Message("The log and who watches it"), ("log", "trust", "monitor", "anchor", "witness")),
    (Message("Agencies and what they agree on"), ("agency", "registry", "procedure")),
    (Message("This computer"), ("init", "serve", "chain", "backup", "sample", "signer", "doctor", "profile", "key")),
    (Message("Other programs"), ("webhook", "completion")),
)
NOTHING_MOVES = Message("Nothing moves until the other agency accepts.")

# By event type, in the order in which people look for them.
ACTS = {
    "case.opened": ActDefinition("case open", Message("Open a case.")),
    "case.taken_over": ActDefinition("case take-over", Message("Take over a case that was under way elsewhere.")),
    "case.numbered": ActDefinition("case number", Message("Record your agency's own number of a case.")),
    "case.assigned": ActDefinition("case assign", Message("Assign a case to a department and a handler.")),
    "case.stage_entered": ActDefinition("case stage", Message("Record that a case enters a stage.")),
    "case.linked": ActDefinition("case link", Message("Link a case to another one.")),
    "case.split": ActDefinition(
        "case split", Message("Split items and persons off into a new case."), makes="new_case_id"
    ),
    "case.joined": ActDefinition("case join", Message("Take in what another case gave up.")),
    "case.closed": ActDefinition("case close", Message("Close a case.")),
    "person.named": ActDefinition("person name", Message("Bring a person into a case, or a unit."), makes="person_id"),
    "measure.imposed": ActDefinition("measure impose", Message("Impose a measure on a person."), makes="measure_id"),
    "measure.changed": ActDefinition(
        "measure change", Message("End a measure and begin another one."), makes="new_measure_id"
    ),
    "measure.extended": ActDefinition("measure extend", Message("Extend a measure.")),
    "measure.lifted": ActDefinition("measure lift", Message("Lift a measure.")),
    "custody_change.requested": ActDefinition(
        "custody request",
        Message("Ask a keeper to keep a person for your agency from now on."),
        makes="custody_change_id",
    ),
    "custody_change.served": ActDefinition(
        "custody serve", Message("Sign, as the keeper, that a change of custody was served.")
    ),
    "custody_period.notified": ActDefinition(
        "custody notify", Message("Record that a keeper was told of a new period of custody.")
    ),
    "decision.recorded": ActDefinition("decision record", Message("Record a decision."), makes="decision_id"),
    "deadline.extended": ActDefinition(
        "deadline extend",
        Message("Record that a deadline is extended."),
        Message("The extension is one of the rules, such as special_circumstances."),
    ),
    "deadline.suspended": ActDefinition("deadline suspend", Message("Record that time does not count from now on.")),
    "deadline.resumed": ActDefinition("deadline resume", Message("Record that time counts again.")),
    "deadline.reset": ActDefinition(
        "deadline reset", Message("Record that a deadline runs anew, without its extensions.")
    ),
    "item.registered": ActDefinition(
        "item register",
        Message("Register an item."),
        Message("Your agency holds it from then on."),
        makes="item_id",
    ),
    "item.sealed": ActDefinition("item seal", Message("Seal an item.")),
    "item.unsealed": ActDefinition("item unseal", Message("Open the seal of an item.")),
    "item.examined": ActDefinition("item examine", Message("Record what an examination found.")),
    "item.split": ActDefinition(
        "item split",
        Message("Split an item into parts."),
        Message("Their quantities and money add up to it. They get new ids unless they are given."),
    ),
    "item.merged": ActDefinition(
        "item merge",
        Message("Merge fungible goods of one case into one item."),
        Message("It gets a new id unless one is given."),
    ),
    "item.moved": ActDefinition(
        "item move", Message("Move an item to another place."), Message("Your agency holds it as before.")
    ),
    "item.checked_out": ActDefinition(
        "item check-out", Message("Give an item to an officer of your agency for a time.")
    ),
    "item.checked_in": ActDefinition(
        "item check-in", Message("Take an item back into storage, and say how it came back.")
    ),
    "item.frozen": ActDefinition("item freeze", Message("Freeze property, or data at a provider, until a day.")),
    "item.freeze_renewed": ActDefinition("item renew-freeze", Message("Renew a freeze until a later day.")),
    "item.unfrozen": ActDefinition("item unfreeze", Message("Lift a freeze.")),
    "item.disposal_proposed": ActDefinition(
        "item propose-disposal",
        Message("Propose a disposal."),
        Message("This is the first of its two signatures."),
    ),
    "item.disposed": ActDefinition(
        "item dispose",
        Message("Sign a disposal second, as another officer."),
        Message("It cites the event that proposed it."),
    ),
    "stocktake.recorded": ActDefinition(
        "stocktake close",
        Message("Record what was counted in a place of storage, with every difference."),
        Message("Each difference becomes a discrepancy in the case of its item."),
    ),
    "handover.offered": ActDefinition(
        "handover offer",
        Message("Offer a case, items or persons to another agency."),
        NOTHING_MOVES,
        makes="handover_id",
    ),
    "handover.returned": ActDefinition(
        "handover return",
        Message("Offer back what an accepted handover brought."),
        NOTHING_MOVES,
        makes="handover_id",
    ),
    "handover.checked": ActDefinition("handover check", Message("Record the receiver's check before the answer.")),
    "handover.accepted": ActDefinition(
        "handover accept",
        Message("Accept a handover, wholly or in part."),
        Message("Custody of what is accepted moves now."),
    ),
    "handover.refused": ActDefinition(
        "handover refuse", Message("Refuse a handover."), Message("Everything stays with the sender.")
    ),
    "handover.recalled": ActDefinition("handover recall", Message("Take back an offer that is not answered yet.")),
    "discrepancy.raised": ActDefinition(
        "discrepancy raise",
        Message("Raise a difference that was found after the acceptance."),
        makes="discrepancy_id",
        needs=("handover_id",),
    ),
    "discrepancy.resolved": ActDefinition(
        "discrepancy resolve",
        Message("Sign the resolution of a difference."),
        Message(
            "The difference ends when both sides have signed the same words. "
            "What one agency counted as surplus although another one holds it, that agency resolves alone."
        ),
    ),
    "letter.sent": ActDefinition(
        "letter send",
        Message("Record a letter to an agency, to a person of the case, or to somebody outside."),
        makes="letter_id",
        one_of=(Message("To whom"), ("to_agency", "to_person", "to_outside")),
    ),
    "letter.received": ActDefinition(
        "letter receive",
        Message("Record the receipt of a letter, as its addressee or as its sender with the receipt in hand."),
    ),
    "letter.filed": ActDefinition(
        "letter file",
        Message("Record a letter that came in from a person of the case or from somebody outside."),
        makes="letter_id",
        one_of=(Message("From whom"), ("from_person", "from_outside")),
    ),
    "record.corrected": ActDefinition(
        "record correct",
        Message("Correct what an event says."),
        Message("The event stays; the correction stands beside it."),
    ),
    "record.late": ActDefinition("record late", Message("Say why something was not recorded when it happened.")),
    "section.erasure_proposed": ActDefinition(
        "section propose-erasure",
        Message("Propose to erase a confidential section of an event."),
        Message("This is the first of its two signatures."),
    ),
    "section.erased": ActDefinition(
        "section erase",
        Message("Erase a confidential section of an event for good, as the second officer."),
        Message(
            "It cites the event that proposed it. What was signed stays, and so does every proof of it: it says that "
            "the section was erased, and by whom."
        ),
    ),
    "hold.placed": ActDefinition(
        "hold place",
        Message("Place a legal hold."),
        Message("While it stands, nothing that it covers is erased or disposed of."),
        makes="hold_id",
    ),
    "hold.released": ActDefinition(
        "hold release",
        Message("Release a legal hold."),
        Message("Whoever placed it does, or an agency that the procedure sets above."),
    ),
    "retention.set": ActDefinition(
        "retention set",
        Message("Set until which day a case or items are kept."),
        Message("What the rules or an earlier act gave counts no more."),
    ),
    "disclosure.made": ActDefinition("disclosure make", Message("Record what defence counsel received.")),
    "lead.assigned": ActDefinition(
        "lead assign",
        Message("Assign a lead to an officer of your agency."),
        Message(
            "From then on the agency that must answer sees it. Its cases open only to an officer to whom somebody else "
            "assigns it."
        ),
    ),
    "lead.transferred": ActDefinition(
        "lead transfer", Message("Transfer a lead to the agency above or below, or draw it up from one below.")
    ),
    "lead.answered": ActDefinition("lead answer", Message("Answer a lead for the supervised agency.")),
    "lead.confirmed": ActDefinition(
        "lead confirm",
        Message("Confirm a lead by the material that was checked."),
        Message("It takes files of that material: without any it is refused."),
        needs=("digests",),
    ),
    "lead.dismissed": ActDefinition("lead dismiss", Message("Dismiss a lead, with the reason.")),
    "lead.closed": ActDefinition(
        "lead close",
        Message("Close a lead with its outcome."),
        Message(
            "An outcome that is a paper takes its number, its day and its files, a recommendation the one that was "
            "issued, and what is passed on to whom it goes."
        ),
    ),
    "model.retired": ActDefinition("model retire", Message("Retire a model that your agency published.")),
    "recommendation.issued": ActDefinition(
        "recommendation issue",
        Message("Issue a recommendation to an agency of your jurisdiction, or to somebody outside."),
        Message("The time to reply counts from its receipt."),
        makes="recommendation_id",
        one_of=(Message("To whom"), ("to_agency", "to_outside")),
    ),
    "recommendation.received": ActDefinition(
        "recommendation receive",
        Message("Record the receipt of a recommendation, as the addressee or with the receipt in hand."),
        Message("The time to reply begins."),
    ),
    "recommendation.objected": ActDefinition(
        "recommendation object",
        Message("Object to a recommendation that your agency got, or file the objection of somebody outside."),
    ),
    "recommendation.reviewed": ActDefinition(
        "recommendation review",
        Message("Decide on an objection, or change or withdraw a recommendation of your agency."),
    ),
    "recommendation.answered": ActDefinition(
        "recommendation answer",
        Message("Reply to a recommendation that your agency got, or file the reply of somebody outside."),
    ),
    "recommendation.escalated": ActDefinition(
        "recommendation escalate",
        Message("Record what your agency does where a recommendation mended nothing."),
        Message("An agency to which it goes on sees it from then on."),
    ),
    "recommendation.rechecked": ActDefinition(
        "recommendation recheck", Message("Record whether what a recommendation is about came again.")
    ),
}
