// Acts: a form asks for drafts, which the officer's provider signs and this script posts to the ledger, all or none.
import { envelopeOf, follow, following, submissionOf, textsOf, typedData } from "./event.js";
import { forget, SENT } from "./kept.js";
import { BUSY, chosen, DECLINED, NO_WALLET, OTHER_ACCOUNT, signTogether, signTyped, UNANSWERED, UNPAIRED } from "./provider.js";
import { JSON_HEADERS, refusal } from "./refusal.js";

const { keyId, logId } = document.body.dataset;
let asked = null; // the form that the shown draft came from
let unsent = null; // submissions whose outcome is not known
let refused = []; // what the ledger said of the draft before the one that is shown

// Return the submissions. The signer is asked once for all; a wallet, which knows no lists, once for each.
async function sign(draft) {
  const signedAt = Math.floor(Date.now() / 1000);
  const acts = [...draft.querySelectorAll("[data-envelope]")].map(({ dataset: { envelope, payload, sections } }) => ({
    envelope: envelopeOf(envelope, payload, keyId, signedAt), payload, sections, beside: { payload, sections: textsOf(sections) },
  }));
  const provider = chosen();
  const typed = (envelope) => JSON.stringify(typedData(envelope, logId));
  draft.classList.toggle("by-wallet", !provider.isSigner);
  say(draft, provider.isSigner ? draft.dataset.agree : draft.dataset.walletAgree);
  const isOneConsent = provider.isSigner && acts.length > 1;
  const signatures = isOneConsent && (await signTogether(provider, keyId, acts.map((act) => [typed(act.envelope), act.beside])));
  const [heads, submissions] = [new Map(), []];
  for (const [place, { envelope: drafted, payload, sections, beside }] of acts.entries()) {
    const envelope = following(drafted, heads);
    const signature = signatures ? signatures[place] : await signTyped(provider, keyId, typed(envelope), beside);
    follow(envelope, signature, heads);
    submissions.push(submissionOf(payload, envelope, signature, sections));
  }
  return submissions;
}

function sent(submissions) {
  if (submissions.length === 1) return fetch("/api/v1/events", { method: "POST", headers: JSON_HEADERS, body: submissions[0] });
  const headers = { ...JSON_HEADERS, "content-type": "application/x-ndjson" };
  return fetch("/api/v1/events/batch?all_or_none=true", { method: "POST", headers, body: submissions.join("\n") });
}

async function post(draft) {
  say(draft, draft.dataset.recording);
  const { eventIds, following } = draft.dataset;
  const isFirst = !sessionStorage.getItem(SENT);
  sessionStorage.setItem(SENT, JSON.stringify({ eventIds: eventIds.split(" "), following }));
  let answer;
  try {
    answer = await sent(unsent);
  } catch {
    return offerAgain(draft, draft.dataset.lost);
  }
  if (answer.ok) return goOn();
  const problem = await answer.json().catch(() => ({}));
  if (!problem.code || problem.code === "outcome_unknown" || answer.status === 500) return offerAgain(draft, draft.dataset.lost);
  if (answer.status >= 500) return offerAgain(draft, ...(await refusal(draft.dataset.notNow, problem)));
  // A refusal says nothing of what was sent before without an answer: that stays to be asked for.
  if (isFirst) sessionStorage.removeItem(SENT);
  if (problem.code === "not_on_head") return again(draft, draft.dataset.moved);
  refused = await refusal(draft.dataset.refused.replace("{line}", problem.line), problem);
  return again(draft, ...refused);
}

// Leave the form, which is recorded, for the page that follows.
function goOn() {
  const sent = JSON.parse(sessionStorage.getItem(SENT));
  forget();
  document.dispatchEvent(new CustomEvent("recorded", { detail: sent }));
  const next = new URL(sent.following, location);
  for (const id of sent.eventIds) next.searchParams.append("event", id);
  location.assign(next);
}

// What was sent may be recorded though its answer was lost. The ledger is asked before the form, which is another act each time it is drafted, can be signed again. Return whether it was recorded.
async function wasRecorded() {
  const sent = JSON.parse(sessionStorage.getItem(SENT));
  if (!sent) return false;
  const answer = await fetch(`/console/recorded?event=${sent.eventIds[0]}`, { headers: JSON_HEADERS });
  const [recorded] = await answer.json(); // of acts that are recorded all or none
  if (recorded) goOn();
  return Boolean(recorded); // if not, it may be on its way still
}

// Draft the same form anew. The server validates it again, on the newest head, lists what was recorded in between, and says in the form's own words what is at fault. If nothing is, the officer is asked again, beside what the ledger said.
function again(draft, ...words) {
  say(draft, ...words);
  let since = asked.querySelector("[name=drafted_at]");
  if (!since) {
    since = Object.assign(document.createElement("input"), { type: "hidden", name: "drafted_at" });
    asked.append(since);
  }
  since.value = draft.dataset.sequence;
  asked.requestSubmit();
}

function offerAgain(draft, ...words) {
  say(draft, ...words);
  draft.querySelector("[data-again]").hidden = false;
}

function release(draft) {
  draft.querySelector("[data-sign]").disabled = false;
}

function say(draft, ...words) {
  draft.querySelector(".outcome").replaceChildren(...words);
}

async function outcomeOf(draft, error) {
  const words = draft.dataset;
  const { code, message } = error;
  if (code === NO_WALLET) return [words.noWallet];
  const asks = draft.classList.contains("by-wallet")
    ? { busy: words.walletBusy, unpaired: words.walletAccount, refused: words.walletRefused }
    : { busy: words.busy, unpaired: words.unpaired, refused: words.signerRefused, absent: words.absent };
  if (asks.absent && error instanceof TypeError) return [asks.absent];
  const declined = error.data?.code === UNANSWERED ? words.unanswered : words.declined;
  const byCode = { [DECLINED]: declined, [BUSY]: asks.busy, [UNPAIRED]: asks.unpaired, [OTHER_ACCOUNT]: words.walletAccount }[code];
  return byCode ? [byCode] : refusal(asks.refused, { code: error.data?.code, detail: message });
}

document.addEventListener("click", async ({ target }) => {
  const draft = target.closest(".draft");
  if (!draft) return;
  if (target.closest("[data-again]")) return post(draft);
  if (!target.closest("[data-sign]")) return;
  draft.querySelector("[data-sign]").disabled = true;
  try {
    if (await wasRecorded()) return;
  } catch {
    release(draft);
    return say(draft, draft.dataset.unasked);
  }
  try {
    unsent = await sign(draft);
  } catch (error) {
    release(draft);
    return say(draft, ...(await outcomeOf(draft, error)));
  }
  return post(draft);
});

document.addEventListener("submit", ({ target }) => {
  if (target.matches("[data-act]")) asked = target;
}, true);
// A refusal names the field by the form's own label, which leads to it.
function pointOut(refused) {
  const place = refused.querySelector("[data-field]");
  const control = place && asked && controlOf(place.dataset);
  if (!control) return;
  control.setAttribute("aria-invalid", "true");
  const label = (control.labels?.[0] ?? control.closest("fieldset")?.querySelector("legend"))?.cloneNode(true);
  for (const part of label?.querySelectorAll(".quiet, input, select, textarea") ?? []) part.remove();
  const link = Object.assign(document.createElement("button"), { type: "button", className: "plain" });
  link.textContent = label?.textContent.trim() || place.textContent;
  link.addEventListener("click", () => {
    for (let part = control.closest("details"); part; part = part.parentElement.closest("details")) part.open = true;
    control.focus();
  });
  place.replaceChildren(link);
}

// Return the control of a field of the event, named as it is: by its path, its last step, or the thing of its line.
function controlOf({ field, thing }) {
  const steps = field.replace(/^((payload|envelope|body)\.)+/, "").replace(/\[(\d+)\]/g, ".$1").split(".");
  const controls = [...asked.elements].filter(({ name, type }) => name && type !== "hidden");
  for (let end = steps.length; end > 0; end--) {
    const last = steps[end - 1];
    const names = thing ? [`${last}:${thing}`] : [steps.slice(0, end).join("."), last];
    const control = controls.find(({ name }) => names.includes(name) || (name.startsWith("particulars:") && name.endsWith(`:${last}`)));
    if (control) return control;
  }
  return null;
}

// The form changed after the draft was made, so the draft no longer says what the form says.
document.addEventListener("input", ({ target }) => {
  target.removeAttribute("aria-invalid");
  refused = [];
  if (target.closest("[data-act]")) document.getElementById("draft").replaceChildren();
});

const focus = (within) => within.querySelector("[data-focus]")?.focus();
document.addEventListener("htmx:after:swap", () => {
  const draft = document.getElementById("draft");
  if (draft) pointOut(draft);
  if (refused.length && draft?.querySelector(".outcome:empty")) say(draft, ...refused.splice(0));
  focus(draft ?? document);
});
focus(document.getElementById("main"));
document.addEventListener("DOMContentLoaded", () => wasRecorded().catch(() => {})); // without an answer it is asked before signing
