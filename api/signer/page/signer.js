// The signer's own page: shows the waiting question and sends the officer's answer.
const KEY = "tallystick-signer-key"; // the key to this page, from the address that the terminal printed
const LOOK_EVERY = 400; // ms
const SETTLE = 1000; // ms a question stands, in a window that has the focus, before it can be agreed to

const part = (id) => document.getElementById(id);
const TITLE = document.title;
let shown = null;

function takeKey() {
  const key = location.hash.slice(1);
  if (key) {
    localStorage.setItem(KEY, key);
    history.replaceState(null, "", "/");
  }
  return localStorage.getItem(KEY) ?? "";
}

async function call(path, body) {
  const headers = { authorization: `Bearer ${takeKey()}` };
  if (body) headers["content-type"] = "application/json";
  return fetch(path, { method: body ? "POST" : "GET", headers, body: body && JSON.stringify(body), cache: "no-store" });
}

const element = (name, text, className = "") => Object.assign(document.createElement(name), { textContent: text, className });

function valuesOf(particulars) {
  const values = element("dl", "");
  values.append(...particulars.flatMap(([label, value]) => [element("dt", label), element("dd", value)]));
  return values;
}

function inWords({ sentence, particulars, source }) {
  const act = element("li", "");
  act.append(element("p", sentence, "sentence"), element("p", source, "quiet"), valuesOf(particulars));
  return act;
}

// Calls the clerk who looks at another window, if the clerk asked for it.
const CALLS = "tallystick-signer-calls";
let sound;
const calls = () => localStorage.getItem(CALLS) === "yes";

function ring() {
  sound ??= new AudioContext();
  sound.resume();
  for (const [number, pitch] of [660, 880].entries()) {
    const tone = new OscillatorNode(sound, { frequency: pitch });
    const volume = new GainNode(sound, { gain: 0.15 });
    tone.connect(volume).connect(sound.destination);
    tone.start(sound.currentTime + number * 0.18);
    tone.stop(sound.currentTime + number * 0.18 + 0.16);
  }
}

function callClerk(acts) {
  if (!calls() || document.hasFocus()) return;
  ring();
  if (globalThis.Notification?.permission !== "granted") return;
  const notice = new Notification(document.title, { body: acts[0].sentence, tag: "tallystick-signer" });
  notice.addEventListener("click", () => { window.focus(); notice.close(); });
}

function showCalling() {
  const { on, off } = part("call").dataset;
  part("call").textContent = calls() ? on : off;
  part("call").setAttribute("aria-pressed", calls());
  part("muted").hidden = !calls() || globalThis.Notification?.permission === "granted";
}
part("call").addEventListener("click", async () => {
  localStorage.setItem(CALLS, calls() ? "no" : "yes");
  if (calls()) {
    ring(); // a browser plays sounds of a page only after a click in it, and the clerk hears what it is like
    await globalThis.Notification?.requestPermission();
  }
  showCalling();
});
showCalling();

// What was signed, by the names that it was asked by.
let signed = 0;
async function showSigned(count) {
  if (count === signed) return;
  const response = await call("/signed");
  if (!response.ok) return;
  signed = count;
  const times = new Intl.DateTimeFormat(document.documentElement.lang, { timeStyle: "short" });
  const rows = (await response.json()).signed.flatMap(({ at, acts }) => acts.map(({ sentence, particulars }) => {
    const [row, whole] = [element("li", ""), element("details", "")];
    whole.append(element("summary", `${times.format(at * 1000)} ${sentence}`), valuesOf(particulars));
    row.append(whole);
    return row;
  }));
  part("signed-acts").replaceChildren(...rows);
  part("signed").hidden = rows.length === 0;
}

function show(question) {
  const isNew = question?.number !== shown?.number;
  shown = question;
  part("question").hidden = !question;
  document.title = question ? `(${question.acts.length}) ${part("question-title").dataset.single} ${TITLE}` : TITLE;
  part("nothing").hidden = Boolean(question);
  if (!question) return;
  part("left").textContent = question.seconds_left;
  if (!isNew) return;
  const { acts } = question, isList = acts.length > 1;
  const { single, many } = part("question-title").dataset;
  part("question-title").textContent = isList ? many.replace("{count}", acts.length) : single;
  part("together").hidden = !isList;
  part("acts").classList.toggle("one", !isList);
  part("acts").replaceChildren(...acts.map(inWords));
  settle();
  part("question-title").focus();
  callClerk(acts);
}

// A click that was meant for what was here before must not sign.
let settled;
function settle() {
  part("agree").disabled = true;
  clearTimeout(settled);
  settled = setTimeout(() => { part("agree").disabled = !document.hasFocus(); }, SETTLE);
}
addEventListener("focus", settle);
addEventListener("blur", () => { part("agree").disabled = true; });

async function answer(agreed) {
  if (!shown) return;
  const { number } = shown;
  show(null);
  await call("/answer", { number, agreed });
}
part("agree").addEventListener("click", () => answer(true));
part("decline").addEventListener("click", () => answer(false));

async function look() {
  try {
    const response = await call("/waiting");
    part("gone").hidden = true;
    part("locked").hidden = response.ok;
    part("pairing").hidden = part("calling").hidden = !response.ok;
    if (response.ok) {
      const { code, question, signed: count } = await response.json();
      if (part("code").textContent !== code) part("code").textContent = code;
      show(question);
      await showSigned(count);
    }
  } catch {
    part("gone").hidden = false;
  }
  setTimeout(look, LOOK_EVERY);
}
look();
