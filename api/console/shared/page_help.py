"""Help on each page: what it is for, what to do on it, and where the documents say more."""

from __future__ import annotations

from typing import Final, NamedTuple

from api.texts import later


class PageHelp(NamedTuple):
    """What a page is for, what its reader does on it, and the place in the documents that says more.

    ``section`` is the name of a document (``api.console.documents``), with ``#`` and the anchor of its section.
    """

    purpose: str
    steps: str
    section: str


# Purpose and steps by the page's template, below the section of the documents that says more.
_BY_SECTION: Final = {
    "console#looking-into-cases": {
        "audit/audit.html": (
            later(
                "An auditor has the whole log, or one case, derived anew from its signed events, and sees what does "
                "not agree."
            ),
            later("Start an audit of the whole log, or name a case. Earlier reports stand below."),
        ),
        "audit/audit_run.html": (
            later("The verdict of one audit, its steps, and each finding with its place in the log."),
            later("Wait until it has ended. Open a finding at the event that it names, and keep the report as a file."),
        ),
        "cases/event.html": (
            later("One signed event: what it says, what is flagged, and how far its time is proven."),
            later("Take its papers, and its bundle, which anybody can verify without this service."),
        ),
        "cases/file_preview.html": (
            later("What a file of an item shows: a picture made anew, or the beginning of a text."),
            later("Download the file if you need it: what is shown here is no evidence."),
        ),
        "cases/item.html": (
            later("One item: where it is, who held it on a day, its history, whether in time, and its papers."),
            later(
                "Choose a day to see who held it and on what authority. Record something about it from the first "
                "section."
            ),
        ),
        "cases/letter.html": (
            later("One letter between agencies: what it says, its receipt, and its answer."),
            later("Record its receipt when you have it, and answer it if it asks for that."),
        ),
        "cases/letters.html": (
            later("Letters to your agency and by it, also about cases that it does not see."),
            later("Find a letter by its number, or open one that has no receipt or no answer yet."),
        ),
        "stocktakes/stocktakes.html": (
            later("Rooms of your agency that are counted, and what was counted before."),
            later("Open a stocktake of a room or of a shelf, or go on with one that is open."),
        ),
        "stocktakes/stocktake.html": (
            later("One room as it is counted: what the record says lies there, and what was scanned."),
            later(
                "Scan or type the code of each thing, and take back what was scanned by mistake. What is missing, "
                "surplus or elsewhere is shown at once, and signed at the end."
            ),
        ),
        "stocktakes/recorded.html": (
            later("What was counted in a room, as it was signed, with every difference."),
            later("Open a difference in its case to resolve it. Print the report for the room's file."),
        ),
        "cases/lineage.html": (
            later("Which items were split, merged, sold or taken out of which, and what is lent."),
            later("Follow an item to what it came from, or to what became of it."),
        ),
        "cases/picture.html": (
            later("The case over time: who held what, what was handed over, what is flagged or late."),
            later(
                "Zoom with + and -, move with the arrow keys, and open a sign at its event. The tables below show the "
                "same."
            ),
        ),
        "cases/reads.html": (
            later("Who read this case, when, and on what ground."),
            later("Look for readers without a reason. This look is in the list the next time."),
        ),
        "cases/retention.html": (
            later("What has been kept long enough, what it is due for, what stands in the way, and the legal holds."),
            later("Open a case to review it, or an item to propose its disposal. A hold is released in its case."),
        ),
        "cases/search.html": (
            later("Find what you may see by any part of a number, a description or a name, or by a file."),
            later(
                "Type what you know of it, or drop a file: its digest is looked for. Each search is recorded, with the "
                "cases that it showed."
            ),
        ),
        "supervision/correlation.html": (
            later("What cases, persons, items and agencies have in common."),
            later("Begin with a case, a number or an id, and follow the lines."),
        ),
    },
    "console#handing-over-and-receiving": {
        "cases/act.html": (
            later("The form of an act that the case waits for: a resolution, a change of custody, or the closing."),
            later("Fill in the form, read what you will sign, and sign it. Nothing is recorded before."),
        ),
        "cases/case.html": (
            later("The case as it stands: what your agency has to do next, and below it what the case consists of."),
            later(
                "Do the tasks from the top: what ends first comes first. The tabs show items, persons, handovers, "
                "deadlines, the timeline and documents."
            ),
        ),
        "cases/handover.html": (
            later(
                "What the sender lists, and what became of it. Until it is accepted everything stays with the sender."
            ),
            later(
                "Scan or tick each item as you check it, say what differs, then accept; or refuse the whole, or recall "
                "your own offer."
            ),
        ),
        "cases/inbox.html": (
            later("What other agencies offer to yours, what ends first at the top, and letters that wait."),
            later("Open an offer by its case number, and answer it."),
        ),
        "cases/refused.html": (
            later("The offers that your agency refused, the newest first."),
            later("Open one by its case number, to print the papers that are served for it."),
        ),
        "cases/offer.html": (
            later("Offer the case, items or persons to another agency, or give back what a handover brought."),
            later("Choose whom it goes to and what for, pick the items, read what you will sign, and sign it."),
        ),
        "cases/outbox.html": (
            later("Your agency's own offers that nobody has answered yet."),
            later("Open one to look at it, or to recall it."),
        ),
    },
    "console#everything-else-in-a-case": {
        "cases/act_form.html": (
            later("The form of one act in this case, with the fields that its procedure asks for."),
            later(
                "Fill in what is required, read what you will sign, and sign it. If it happened earlier, state when."
            ),
        ),
        "cases/acts.html": (
            later("Every act in this case that your role may sign, by what it is about."),
            later("Choose the act. Its form opens."),
        ),
    },
    "console#the-first-minutes": {
        "cases/cases.html": (
            later(
                "The cases that your agency answers for, or all that it may see, each with the clock that ends first."
            ),
            later("Open a case by its number, or type or scan the id of a case or item."),
        ),
        "cases/new_case.html": (
            later("The first event of a case: its number, matter and stage, under a procedure in force."),
            later(
                "Type your agency's number and the matter, read what you will sign, and sign it. A number that another "
                "case has is warned of."
            ),
        ),
        "cases/start.html": (
            later("What waits for your agency today: offers, letters, leads, and clocks of this week."),
            later("Begin at the top. Each line opens the page on which it is done."),
        ),
        "documents/document.html": (
            later("One of the documents of this release."),
            later("Open a section from the list on top. Links lead to other documents."),
        ),
        "documents/documents.html": (
            later("The documents that come with this release: guides for each role, the protocol, reasons of design."),
            later("Choose a guide. The question mark on each page leads to the section that says more about it."),
        ),
    },
    "console#items-as-a-table": {
        "cases/new_items.html": (
            later("A dossier, exhibit, property or data comes into the record: your agency holds it from then on."),
            later(
                "Fill in a row for each, paste them, or open a spreadsheet; drop their photographs to have them hashed "
                "on this computer; mend the cells that are marked; sign them all at once."
            ),
        ),
    },
    "console#on-a-phone": {
        "cases/open_phone.html": (
            later("A phone without a wallet prepares the answer to an offer here, for the desk that signs it."),
            later("Have the desk show a code on the page of the offer. Scan it with this phone's camera, or type it."),
        ),
        "cases/phone_offer.html": (
            later(
                "The sender's list, on the phone of the officer who receives it. What you note here goes to his desk."
            ),
            later(
                "Tick or scan what came, say what differs, photograph it, and save the photographs. Then review and "
                "sign at the desk."
            ),
        ),
    },
    "console#notices": {
        "notices/confirm.html": (
            later("The page that the link in the first mail leads to."),
            later("Confirm only an address that is yours."),
        ),
        "notices/notices.html": (
            later("What is new for you: offers, answers, deadlines, letters, what was assigned to you."),
            later("Open one to get to the page on which it is worked; it counts as read then."),
        ),
        "notices/settings.html": (
            later("For each kind of notice: whether the browser shows it, and whether and when it is mailed."),
            later("Choose and save. For mail, give an address, and open the link that is sent there."),
        ),
        "notices/unsubscribe.html": (
            later("The page that the link at the end of each mail leads to."),
            later("End the mail. No sign-in is needed, and the browser shows notices as before."),
        ),
    },
    "console#state-agencies-and-keys": {
        "operation/journal.html": (
            later("What was sent to the chain, and what became of it."),
            later("Look for a write that is not final, and for its cause."),
        ),
        "operation/operation.html": (
            later("How the service is, and what to do where something is wrong."),
            later("Read the alarms first, the worst at the top; each says what to do."),
        ),
        "registry/agencies.html": (
            later("The agencies of this ledger and the keys of their officers, as the chain and the log have them."),
            later("Open an agency to see its keys. An admin grants keys on the command line."),
        ),
        "registry/agency.html": (
            later("One agency: its kind, its jurisdiction, its admins, and the keys that it granted."),
            later("Look at who may sign for it, and until when."),
        ),
        "registry/key.html": (
            later("One key: whose it is, what it may sign, and what it signed last."),
            later("Look for uses that its officer does not know of, and have it revoked if there are any."),
        ),
        "registry/registry_change.html": (
            later("One change of the registry, with its proof."),
            later("Compare it with the chain, or take its bundle."),
        ),
        "registry/registry_changes.html": (
            later("Every change of agencies, keys and settings, in its order."),
            later("Open a change to see what it did and its proof."),
        ),
    },
    "operations#a-ledger-to-try-things-out-in": {
        "operation/samples.html": (
            later("The sample data of a development ledger: twelve stories, played by its people."),
            later("Wait until they have been played, then sign in as one of the people."),
        ),
    },
    "going-live#what-is-missing": {
        "registry/setup.html": (
            later("What the ledger and each agency have and lack before officers can work, and whose turn it is."),
            later(
                "Find the step that is missing, copy its command, and type it on the machine that is named above it."
            ),
        ),
    },
    "console#signing": {
        "sign_in/signed_in.html": (
            later("Your agency's identity provider has vouched for you."),
            later("The page goes on by itself. If it does not, follow the link."),
        ),
        "sign_in/sign_in.html": (
            later("Sign in with your own key, which never leaves your computer or wallet."),
            later("Start the signer, type the code that it shows, and agree in its window; or use a wallet."),
        ),
    },
    "console#models-and-their-library": {
        "supervision/comparison.html": (
            later("Two versions of a model, or two models, side by side."),
            later("Read what changed before you adopt it."),
        ),
        "supervision/library.html": (
            later("Models that agencies have published, with what they found and how well."),
            later("Search for one, compare it with yours, and adopt it."),
        ),
        "supervision/model.html": (
            later("One model: what it looks for, its examples, and what it found."),
            later("Adopt it, or take its file and change it on the workbench."),
        ),
        "workbench/models.html": (
            later("The supervision models of your agency, and templates to begin with."),
            later("Begin a model from a form, a template or a file."),
        ),
        "workbench/workbench.html": (
            later("Write a model, and try it on examples and on the record before it is published."),
            later(
                "Fill in the form or the file, mend what is listed as still to do, look at the hits, then publish it."
            ),
        ),
    },
    "console#leads": {
        "supervision/lead.html": (
            later("One lead: what the model found, the events that it cites, and what was done about it."),
            later("Read the cited events, derive them again, then assign, answer, confirm or dismiss it."),
        ),
        "supervision/leads.html": (
            later("The leads of your agency, by their state."),
            later("Begin with those whose next step is yours."),
        ),
    },
    "console#governance": {
        "supervision/new_recommendation.html": (
            later("A recommendation to another agency, from leads that were confirmed."),
            later("Choose the leads and the agency, say what is to be mended, read what you will sign, and sign it."),
        ),
        "supervision/recommendation.html": (
            later("One recommendation: what it asks for, the reply, and whether it helped."),
            later("Do the step that stands on top, or take its paper."),
        ),
        "supervision/recommendations.html": (
            later("The recommendations by your agency or to it, with the clock of the reply."),
            later("Open one to answer it, or to check again what became of it."),
        ),
        "supervision/report.html": (
            later("Figures of supervision over a time: leads, outcomes, what recurs."),
            later("Choose the time. A number opens the events that it was counted from."),
        ),
    },
    "verifying#a-page": {
        "verify/verify.html": (
            later("Check a proof in this browser alone: nothing of it is sent."),
            later(
                "Drop the bundle, say by what you trust the ledger, and read the verdict and what it does not prove."
            ),
        ),
    },
}
HELP: Final = {
    template: PageHelp(*texts, section) for section, pages in _BY_SECTION.items() for template, texts in pages.items()
}
