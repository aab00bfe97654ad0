// The desk of a receiver whose phone prepares the answer: what the phone noted goes into the form, marked as the phone's.
// What was typed at the desk is left as it is.
import { addHashed } from "../shared/files.js";
import { FROM_PHONE, now, usual } from "../shared/kept.js";
import { setValue, valueOf } from "./answer-fields.js";
import { whole } from "./pick.js";

const form = document.querySelector("form[data-unseen]");
const draft = document.getElementById("draft");
const taken = () => JSON.parse(sessionStorage.getItem(FROM_PHONE) ?? "{}");

function mark(place, words) {
  if (!place || place.querySelector(".from-phone")) return;
  const tag = Object.assign(document.createElement("span"), { className: "tag from-phone", textContent: words });
  (place.querySelector(".pick > span, label") ?? place).append(" ", tag);
}

// Take over one value; return whether the desk has typed another one, which stays.
function takeValue(name, value, before, words) {
  const current = valueOf(form, name, now);
  if (current === undefined || current === value) return false;
  if (current !== valueOf(form, name, usual) && current !== before) return true;
  mark(setValue(form, name, value)?.closest("li, .field, p"), words);
  return false;
}

function takeFiles(files, words) {
  const digests = new Set(files.map((file) => file.digests[0]));
  for (const line of form.querySelectorAll("li[data-from-phone]")) if (!digests.has(line.dataset.fromPhone)) line.remove();
  for (const file of files) {
    const line = addHashed(form, file);
    if (!line) continue;
    line.dataset.fromPhone = file.digests[0];
    mark(line.closest(".lines > li"), words);
  }
}

async function take() {
  const state = document.querySelector("[data-prepared]");
  if (!form || !state?.dataset.prepared) return;
  const earlier = taken();
  const waits = draft.childElementCount > 0 && earlier.revision !== state.dataset.revision;
  state.querySelector("[data-waits]").hidden = !waits;
  state.querySelector("[data-differs]").hidden = !earlier.isKept;
  if (waits || earlier.revision === state.dataset.revision) return;
  await whole(); // what was prepared may be about any line
  const { fields, files } = JSON.parse(state.dataset.prepared);
  const before = earlier.fields ?? {};
  const names = new Set([...Object.keys(before), ...Object.keys(fields)]);
  const kept = [...names].filter((name) => takeValue(name, fields[name] ?? valueOf(form, name, usual), before[name], state.dataset.mark));
  const isKept = kept.length > 0;
  takeFiles(files, state.dataset.mark);
  sessionStorage.setItem(FROM_PHONE, JSON.stringify({ revision: state.dataset.revision, fields, isKept }));
  state.querySelector("[data-differs]").hidden = !isKept;
  form.dispatchEvent(new Event("input", { bubbles: true }));
}

document.addEventListener("htmx:after:swap", take);
take();
