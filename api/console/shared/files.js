// Files are hashed here and never sent: their digests go into the form or are compared with the recorded ones.
import { takeFrom } from "./dropping.js";
import { digests } from "./hashing.js";

function verdict(drop, found) {
  const recorded = drop.dataset.recorded?.split(" ").filter(Boolean);
  if (!recorded?.length) return drop.dataset.fresh;
  return recorded.some((digest) => found.includes(digest)) ? drop.dataset.same : drop.dataset.other;
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

async function take(drop, file) {
  const [line, name, state, progress] = ["li", "strong", "span", "progress"].map((kind) => document.createElement(kind));
  name.textContent = file.name;
  state.textContent = drop.dataset.hashing;
  progress.setAttribute("aria-label", `${drop.dataset.hashing} ${file.name}`);
  line.append(name, " ", state, " ", progress, " ", remover(drop, line, file));
  drop.querySelector(".hashed").append(line);
  try {
    const found = await digests(file, progress);
    state.textContent = verdict(drop, found);
    if (state.textContent === drop.dataset.other) differs(drop);
    const told = Object.assign(document.createElement("code"), { textContent: found[0] });
    progress.replaceWith(told);
    if (drop.dataset.drop) {
      for (const value of found) line.append(Object.assign(document.createElement("input"), { type: "hidden", name: drop.dataset.drop, value }));
      drop.dispatchEvent(new Event("input", { bubbles: true }));
    }
  } catch {
    state.textContent = drop.dataset.unread;
    progress.remove();
  }
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
