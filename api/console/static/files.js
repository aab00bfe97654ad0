// Files are hashed here and never sent: their digests go into the form or are compared with the record's.
import { digests } from "./hashing.js";

function verdict(drop, found) {
  const recorded = drop.dataset.recorded?.split(" ").filter(Boolean);
  if (!recorded?.length) return drop.dataset.fresh;
  return recorded.some((digest) => found.includes(digest)) ? drop.dataset.same : drop.dataset.other;
}

async function take(drop, file) {
  const [line, name, state, progress] = ["li", "strong", "span", "progress"].map((kind) => document.createElement(kind));
  name.textContent = file.name;
  state.textContent = drop.dataset.hashing;
  progress.setAttribute("aria-label", `${drop.dataset.hashing} ${file.name}`);
  line.append(name, " ", state, " ", progress);
  drop.querySelector(".hashed").append(line);
  try {
    const found = await digests(file, progress);
    state.textContent = verdict(drop, found);
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

for (const drop of document.querySelectorAll("[data-drop]")) {
  const takeAll = (files) => [...files].forEach((file) => take(drop, file));
  const chooser = drop.querySelector("input[type=file]");
  chooser.addEventListener("change", () => takeAll(chooser.files));
  takeAll(chooser.files); // chosen before this script ran
  drop.addEventListener("dragover", (event) => {
    event.preventDefault();
    drop.classList.add("over");
  });
  drop.addEventListener("dragleave", () => drop.classList.remove("over"));
  drop.addEventListener("drop", (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    takeAll(event.dataTransfer.files);
  });
}
