// The signer's own page: shows the waiting question and sends the officer's answer.
const KEY = "tallystick-signer-key"; // the key to this page, from the address that the terminal printed
const LOOK_EVERY = 400; // ms
const SETTLE = 1000; // ms a question stands, in a window that has the focus, before it can be agreed to

const part = (id) => document.getElementById(id);
const TITLE = document.title;
let shown = null;

function takeKey() {
  const given = location.hash.slice(1);
  if (given) {
    localStorage.setItem(KEY, given);
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

function inWords({ sentence, particulars, source }) {
  const [act, values] = [element("li", ""), element("dl", "")];
  values.append(...particulars.flatMap(([label, value]) => [element("dt", label), element("dd", value)]));
  act.append(element("p", sentence, "sentence"), element("p", source, "quiet"), values);
  return act;
}

function show(question) {
  const isNew = question?.number !== shown?.number;
  shown = question;
  part("question").hidden = !question;
  document.title = question ? `(${question.acts.length}) ${part("question-title").dataset.one} ${TITLE}` : TITLE;
  part("nothing").hidden = Boolean(question);
  if (!question) return;
  part("left").textContent = question.seconds_left;
  if (!isNew) return;
  const { acts } = question, isList = acts.length > 1;
  const { one, many } = part("question-title").dataset;
  part("question-title").textContent = isList ? many.replace("{count}", acts.length) : one;
  part("together").hidden = !isList;
  part("acts").classList.toggle("one", !isList);
  part("acts").replaceChildren(...acts.map(inWords));
  settle();
  part("question-title").focus();
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
    const given = await call("/waiting");
    part("gone").hidden = true;
    part("locked").hidden = given.ok;
    part("pairing").hidden = !given.ok;
    if (given.ok) {
      const { code, question } = await given.json();
      if (part("code").textContent !== code) part("code").textContent = code;
      show(question);
    }
  } catch {
    part("gone").hidden = false;
  }
  setTimeout(look, LOOK_EVERY);
}
look();
