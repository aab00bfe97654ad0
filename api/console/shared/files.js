// Files are hashed here and never sent: their digests go into the form or are compared with the recorded ones.
import { takeFrom } from "./dropping.js";
import { digests } from "./hashing.js";

function verdict(drop, values) {
  const recorded = drop.dataset.recorded?.split(" ").filter(Boolean);
  if (!recorded?.length) return drop.dataset.fresh;
  return recorded.some((digest) => values.includes(digest)) ? drop.dataset.same : drop.dataset.other;
}

// Return a button that removes the file and its digests.
function remover(drop, line, file) {
  const button = Object.assign(document.createElement("button"), { type: "button", className: "plain", textContent: drop.dataset.remove });
  button.setAttribute("aria-label", `${drop.dataset.remove} ${file.name}`);
  button.addEventListener("click", () => {
    line.remove();
    drop.dispatchEvent(new Event("input", { bubbles: true }));
  });
  return button;
}

// If the file is not the recorded one, mark its item as different, so that the receiver need not do so.
function differs(drop) {
  const choice = drop.closest("li")?.querySelector("input[value=differs]");
  if (choice) choice.checked = true;
}

// Add the line of a file; its digests come with `keep`.
function addLine(drop, file) {
  const [line, name] = ["li", "strong"].map((kind) => document.createElement(kind));
  name.textContent = file.name;
  line.append(name, " ", remover(drop, line, file));
  drop.querySelector(".hashed").append(line);
  return line;
}

// Put the digests into the form, and show the first of them.
function keep(drop, line, values) {
  line.append(" ", Object.assign(document.createElement("code"), { textContent: values[0] }));
  if (!drop.dataset.drop) return;
  for (const value of values) line.append(Object.assign(document.createElement("input"), { type: "hidden", name: drop.dataset.drop, value }));
}

// A picture that a phone takes for a page is in no album: whoever does not save it here has a digest of nothing.
function addSaving(drop, line, file) {
  const link = Object.assign(document.createElement("a"), { download: file.name, href: URL.createObjectURL(file), textContent: drop.dataset.save });
  line.append(" ", link);
}

async function take(drop, file) {
  const line = addLine(drop, file);
  const [state, progress] = ["span", "progress"].map((kind) => document.createElement(kind));
  state.textContent = drop.dataset.hashing;
  progress.setAttribute("aria-label", `${drop.dataset.hashing} ${file.name}`);
  line.firstElementChild.after(" ", state, " ", progress);
  try {
    const values = await digests(file, progress);
    state.textContent = verdict(drop, values);
    if (state.textContent === drop.dataset.other) differs(drop);
    keep(drop, line, values);
    if (drop.dataset.save) addSaving(drop, line, file);
    if (drop.dataset.drop) drop.dispatchEvent(new Event("input", { bubbles: true }));
  } catch {
    state.textContent = drop.dataset.unread;
  }
  progress.remove();
}

// Return the files whose digests the form has, with the field that each is in.
export function hashedIn(form) {
  return [...form.querySelectorAll("[data-drop] .hashed li")].flatMap((line) => {
    const inputs = [...line.querySelectorAll("input")];
    const [name] = line.querySelectorAll("strong");
    return inputs.length ? [{ field: inputs[0].name, name: name.textContent, digests: inputs.map(({ value }) => value) }] : [];
  });
}

// Add a file that was hashed on another device, unless the form has it.
export function addHashed(form, { field, name, digests: values }) {
  const drop = form.querySelector(`[data-drop="${CSS.escape(field)}"]`);
  if (!drop || [...drop.querySelectorAll("input[type=hidden]")].some(({ value }) => value === values[0])) return null;
  drop.closest("details")?.setAttribute("open", "");
  const line = addLine(drop, { name });
  keep(drop, line, values);
  return line;
}

// A file dropped beside its field must not replace the page, with what was typed in it.
for (const kind of ["dragover", "drop"]) {
  addEventListener(kind, (event) => {
    if (event.defaultPrevented) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = "none";
  });
}

function attach(drop) {
  drop.dataset.attached = "";
  takeFrom(drop, drop, (files) => [...files].forEach((file) => take(drop, file)));
}

function attachAll() {
  for (const drop of document.querySelectorAll("[data-drop]:not([data-attached])")) attach(drop);
}
attachAll();
for (const added of ["htmx:after:swap", "lines-added"]) document.addEventListener(added, attachAll);
