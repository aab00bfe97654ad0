// A phone without a wallet: what is ticked, typed and hashed on it goes to the officer's desk, where he signs.
import { addHashed, hashedIn } from "../shared/files.js";
import { JSON_HEADERS } from "../shared/refusal.js";
import { answerOf, setValue } from "./answer-fields.js";
import { whole } from "./pick.js";

const AFTER_MS = 500; // of rest, before what was typed is sent
const AGAIN_MS = 5_000; // when no answer came
const AGAIN = [408, 429]; // too slow, or too many requests: a while later they are taken
const NOT_TAKEN = [400, 413]; // what was noted; all else says that the offer can be answered no more, or not by this phone
const form = document.querySelector("form[data-prepares]");
const state = document.getElementById("phone-outcome");
const words = form.dataset;
let [isFinished, isSending, changes, timer] = [false, false, 0, 0];

const tell = (text) => (state.textContent = text);
const later = (wait) => {
  clearTimeout(timer);
  timer = setTimeout(send, wait);
};

// Send the whole answer, again until nothing was changed meanwhile.
async function send() {
  if (isSending) return;
  isSending = true;
  const sent = changes;
  const body = JSON.stringify({ fields: answerOf(form), files: hashedIn(form), finished: isFinished });
  const answer = await fetch(form.action, { method: "POST", headers: JSON_HEADERS, body }).catch(() => null);
  isSending = false;
  if (!answer || answer.status >= 500 || AGAIN.includes(answer.status)) {
    tell(words.lost);
    return later(AGAIN_MS);
  }
  if (!answer.ok) return tell(NOT_TAKEN.includes(answer.status) ? words.refused : words.ended);
  if (changes !== sent) return later(0);
  return tell(isFinished ? words.finished : words.kept);
}

function changed(finished) {
  isFinished = finished;
  changes += 1;
  tell(words.sending);
  later(finished ? 0 : AFTER_MS);
}

async function restore() {
  await whole(); // what was prepared may be about any line
  const { fields = {}, files = [] } = JSON.parse(words.prepared || "{}");
  for (const [name, value] of Object.entries(fields)) setValue(form, name, value);
  for (const file of files) addHashed(form, file);
  for (const kind of ["input", "change"]) form.addEventListener(kind, () => changed(false));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    changed(true);
  });
}

restore();
