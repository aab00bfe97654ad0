// The table of items: rows that are typed, pasted or opened from a file, their faults at the cells, and their files.
import { takeFrom } from "../shared/dropping.js";
import { digests } from "../shared/hashing.js";
import { keptNames, placeOf } from "../shared/kept.js";

const rowsOf = (place) => [...place.querySelectorAll(".new-item")];
const cellOf = (row, path) => row.querySelector(`td[data-column="${CSS.escape(path)}"]`);
const controlOf = (row, path) => cellOf(row, path)?.querySelector("[name]");
const STATED = ["item_kind", "quantity", "unit"]; // by a row that nobody has filled in
const controlsOf = (row) => [...row.querySelectorAll("[name]")];
const pathOf = (control) => control.closest("td").dataset.column;
const isFilled = (row) => controlsOf(row).some((control) => !STATED.includes(pathOf(control)) && control.value);
const say = (place, ...words) => place.querySelector(".table-outcome").replaceChildren(...words);

// -- rows ---------------------------------------------------------------------------------------------------------------

function add(place, number = Number(place.dataset.added ?? 0) + 1) {
  place.dataset.added = number;
  const copy = document.createElement("div");
  copy.innerHTML = place.querySelector("template").innerHTML.replaceAll("new:0:", `new:${number}:`);
  const row = copy.querySelector(".new-item");
  place.querySelector(".cells tbody").append(row);
  takeFrom(row, cellOf(row, "digests"), (files) => [...files].forEach((file) => take(place, row, file)));
  document.dispatchEvent(new CustomEvent("lines-added", { detail: row }));
  renumber(place);
  return row;
}

function renumber(place) {
  const rows = rowsOf(place);
  rows.forEach((row, at) => (row.querySelector("[data-number]").textContent = at + 1));
  place.querySelector("[data-another]").disabled = rows.length >= Number(place.dataset.most);
}

// A column is shown if it is usual, chosen, asked for by the kind of a row, or filled in.
function showColumns(place) {
  const rows = rowsOf(place);
  const kinds = new Set(rows.map((row) => controlOf(row, "item_kind").value));
  for (const head of place.querySelectorAll("th[data-kinds]")) {
    const path = head.dataset.column;
    const isChosen = place.querySelector(`[data-shows="${CSS.escape(path)}"]`)?.checked;
    const ofKind = head.dataset.kinds.split(" ").some((kind) => kind && kinds.has(kind));
    const isShown = isChosen || ofKind || rows.some((row) => controlOf(row, path).value || cellOf(row, path).querySelector(".fault"));
    for (const cell of [head, ...rows.map((row) => cellOf(row, path))]) cell.hidden = !isShown;
  }
}

function set(control, value) {
  if (control.options && ![...control.options].some((option) => option.value === value)) control.add(new Option(value, value));
  control.value = value;
}

function mark(row, path, reason) {
  const cell = cellOf(row, path);
  if (!cell) return;
  unmark(cell);
  const note = Object.assign(document.createElement("p"), { className: "fault", textContent: reason });
  const control = cell.querySelector("[name]");
  note.id = `fault-${control.name}`;
  control.setAttribute("aria-invalid", "true");
  control.setAttribute("aria-describedby", note.id);
  cell.append(note);
}

function unmark(cell) {
  cell.querySelector(".fault")?.remove();
  const control = cell.querySelector("[name]");
  control?.removeAttribute("aria-invalid");
  control?.removeAttribute("aria-describedby");
}

// The form has changed, so that a draft that is shown no longer says what it says.
function changed(place) {
  showColumns(place);
  place.dispatchEvent(new Event("input", { bubbles: true }));
}

// -- files and blocks of cells ------------------------------------------------------------------------------------------

async function read(place, content, at) {
  say(place, place.dataset.reading);
  const query = new URLSearchParams(place.dataset.query);
  if (at) query.set("at", at.join(","));
  try {
    const answer = await fetch(`${place.dataset.address}/table?${query}`, { method: "POST", body: content, headers: { "hx-request": "true" } });
    if (answer.ok) return await answer.json();
    say(place, document.createRange().createContextualFragment(await answer.text()));
  } catch {
    say(place, place.dataset.lost);
  }
  return null;
}

// Fill rows from `first` on; those that one consent does not take wait until these are recorded.
function fill(place, { rows, ignored }, first) {
  const most = Number(place.dataset.most);
  let faults = 0;
  for (const [number, { cells, faults: wrong }] of rows.slice(0, most - first).entries()) {
    const row = rowsOf(place)[first + number] ?? add(place);
    for (const [path, text] of Object.entries(cells)) {
      const control = controlOf(row, path);
      if (!control) continue;
      unmark(cellOf(row, path));
      set(control, text);
      if (path === "digests") showDigests(place, row);
    }
    for (const [path, reason] of Object.entries(wrong)) mark(row, path, reason);
    faults += Object.keys(wrong).length;
  }
  wait(place, [...rows.slice(most - first), ...waiting()]);
  changed(place);
  const words = [place.dataset.filled.replace("{count}", rows.length)];
  if (faults) words.push(place.dataset.faults.replace("{count}", faults));
  if (ignored.length) words.push(`${place.dataset.ignored} ${ignored.join(", ")}`);
  say(place, ...words.map((text) => Object.assign(document.createElement("p"), { textContent: text })), ...restNote(place));
}

const restKey = (path = location.pathname) => placeOf(`rest ${path}`);
const waiting = () => JSON.parse(sessionStorage.getItem(restKey()) ?? "[]");

function wait(place, rows) {
  if (rows.length) sessionStorage.setItem(restKey(), JSON.stringify(rows));
  else sessionStorage.removeItem(restKey());
}

function restNote(place) {
  const rest = waiting().length;
  if (!rest) return [];
  const text = [place.dataset.tooMany.replace("{rest}", rest), place.dataset.offer ?? ""].join(" ");
  return [Object.assign(document.createElement("p"), { className: "warning", textContent: text })];
}

document.addEventListener("paste", async (event) => {
  const cell = event.target.closest?.(".new-item td[data-column]");
  const place = event.target.closest?.("[data-new-items]");
  const text = event.clipboardData?.getData("text/plain") ?? "";
  if (!cell || !/[\t\n]/.test(text.trimEnd())) return;
  event.preventDefault();
  const cells = [...cell.parentElement.querySelectorAll("td[data-column]")].filter((beside) => !beside.hidden && beside.dataset.column !== "digests");
  const at = cells.slice(cells.indexOf(cell)).map((beside) => beside.dataset.column);
  const table = await read(place, text, at);
  if (table) fill(place, table, rowsOf(place).indexOf(cell.parentElement));
});

// A quantity may be typed with its unit, as it stands in lists.
async function splitUnit(place, cell, text) {
  if (!/^\s*[\d.,]+\s*[^\d.,\s]/.test(text)) return;
  const table = await read(place, text, ["quantity"]);
  if (table && cell.querySelector("[name]").value === text) fill(place, table, rowsOf(place).indexOf(cell.parentElement));
}

async function open(place, chooser) {
  const [file] = chooser.files;
  if (!file) return;
  const table = await read(place, file);
  chooser.value = "";
  if (!table) return;
  for (const row of rowsOf(place)) if (!isFilled(row)) row.remove();
  fill(place, table, rowsOf(place).length);
}

// -- photographs and other files of items -------------------------------------------------------------------------------

// A file is one that a row names, or else begins with the exhibit number of a row, or else with the row's own number.
function rowFor(place, name) {
  const [plain, rows] = [name.toLowerCase(), rowsOf(place)];
  const stem = plain.replace(/\.[^.]*$/, "");
  const begins = (number) => number && plain.startsWith(number) && !(/\d$/.test(number) ? /^\d/ : /^[\p{L}\p{N}]/u).test(plain.slice(number.length));
  const names = (row) => controlOf(row, "files").value.toLowerCase().split(/[\n,，、;；]+/).map((part) => part.trim());
  const ways = [
    (row) => names(row).some((listed) => listed && (listed === plain || listed === stem)),
    (row) => begins(controlOf(row, "exhibit_number").value.trim().toLowerCase()),
    (row, at) => /^0*(\d+)/.exec(plain)?.[1] === String(at + 1),
  ];
  for (const belongs of ways) {
    const own = rows.filter(belongs);
    if (own.length) return own.length === 1 ? own[0] : null;
  }
  return null;
}

let hashed = Promise.resolve(); // one file after the other, however many are dropped

function take(place, row, file) {
  const [line, name, progress] = ["li", "span", "progress"].map((kind) => document.createElement(kind));
  name.textContent = file.name;
  progress.setAttribute("aria-label", `${place.dataset.hashing} ${file.name}`);
  line.append(name, " ", progress, remover(place, row, line, file.name));
  cellOf(row, "digests").querySelector(".hashed").append(line);
  hashed = hashed.then(async () => {
    try {
      line.dataset.digests = (await digests(file, progress)).join(" ");
      keepDigests(place, row);
    } catch {
      name.textContent = `${file.name}: ${place.dataset.unread}`;
    }
    progress.remove();
  });
  return hashed;
}

function remover(place, row, line, name) {
  const button = Object.assign(document.createElement("button"), { type: "button", className: "plain", textContent: "✕" });
  button.setAttribute("aria-label", `${place.dataset.remove} ${name}`);
  button.addEventListener("click", () => {
    line.remove();
    keepDigests(place, row);
  });
  return button;
}

// The digests of a row stand in its own field, each file's in a line of it, and once if a file was dropped twice.
function keepDigests(place, row) {
  const lines = [...cellOf(row, "digests").querySelectorAll("li[data-digests]")];
  const all = new Map(lines.map((line) => [line.dataset.digests, line]));
  for (const line of lines) if (all.get(line.dataset.digests) !== line) line.remove();
  controlOf(row, "digests").value = [...all.keys()].join("\n");
  unmark(cellOf(row, "digests"));
  changed(place);
}

// After a reload, and of digests that stood in a file, the names of the files are not known.
function showDigests(place, row) {
  const list = cellOf(row, "digests").querySelector(".hashed");
  list.replaceChildren(
    ...controlOf(row, "digests").value.split("\n").filter(Boolean).map((of) => {
      const line = Object.assign(document.createElement("li"), { textContent: `${of.slice(0, 20)}… ` });
      line.dataset.digests = of;
      line.append(remover(place, row, line, of.slice(0, 20)));
      return line;
    }),
  );
}

async function takeAll(place, files) {
  const list = place.querySelector(".photographs .hashed");
  let matched = 0;
  for (const file of files) {
    const row = rowFor(place, file.name);
    if (row) {
      matched += 1;
      take(place, row, file);
      continue;
    }
    const [line, choice] = [document.createElement("li"), document.createElement("select")];
    choice.setAttribute("aria-label", `${place.dataset.noRow} ${file.name}`);
    choice.add(new Option(place.dataset.noRow, ""));
    const rows = rowsOf(place); // as they are listed: one that is left out meanwhile must not shift the file to another
    rows.forEach((own, at) => {
      const description = controlOf(own, "description").value;
      choice.add(new Option([place.dataset.row.replace("{number}", at + 1), description].filter(Boolean).join(" · "), at));
    });
    choice.addEventListener("change", () => {
      const chosen = rows[choice.value];
      if (!chosen?.isConnected) return (choice.value = "");
      line.remove();
      return take(place, chosen, file);
    });
    line.append(file.name, " ", choice);
    list.append(line);
  }
  if (files.length) say(place, place.dataset.matched.replace("{count}", `${matched} / ${files.length}`));
}

// -- what people do -----------------------------------------------------------------------------------------------------

document.addEventListener("click", ({ target }) => {
  const place = target.closest("[data-new-items]");
  if (target.closest("[data-another]")) {
    controlOf(add(place), "description").focus();
    changed(place);
  } else if (target.closest("[data-without]")) {
    target.closest(".new-item").remove();
    renumber(place);
    changed(place);
    place.querySelector("[data-another]").focus();
  }
  const fault = target.closest("#draft li[data-row] button")?.parentElement;
  if (fault) {
    const row = rowsOf(document)[fault.dataset.row - 1];
    const control = controlOf(row, fault.dataset.path);
    (control.hidden ? cellOf(row, fault.dataset.path).querySelector("input") : control).focus();
  }
});
document.addEventListener("keydown", (event) => {
  const cell = event.target.closest?.(".new-item td[data-column]");
  if (event.key !== "Enter" || event.shiftKey || event.isComposing || !cell || !event.target.name) return;
  event.preventDefault(); // which would ask for the draft
  const place = cell.closest("[data-new-items]");
  const below = cell.parentElement.nextElementSibling ?? (rowsOf(place).length < Number(place.dataset.most) ? add(place) : null);
  if (below) controlOf(below, cell.dataset.column).focus();
});
for (const kind of ["input", "change"]) {
  document.addEventListener(kind, ({ target }) => {
    const place = target.closest?.("[data-new-items]");
    const cell = target.closest?.(".new-item td[data-column]");
    if (cell && target.name) unmark(cell);
    if (place && target !== place) showColumns(place);
    if (target.matches?.("[data-open]") && kind === "change") open(place, target);
    if (cell?.dataset.column === "quantity" && kind === "change") splitUnit(place, cell, target.value);
  });
}
document.addEventListener("htmx:after:swap", () => {
  const wrong = [...document.querySelectorAll("#draft li[data-row]")];
  for (const fault of wrong) mark(rowsOf(document)[fault.dataset.row - 1], fault.dataset.path, fault.querySelector("[data-reason]").textContent);
  for (const place of wrong.length ? document.querySelectorAll("[data-new-items]") : []) showColumns(place);
});
// What waits comes next: on the page of the case, which has them all by then.
document.addEventListener("recorded", ({ detail: sent }) => {
  const place = document.querySelector("[data-new-items]");
  const rest = waiting();
  if (!rest.length) return;
  wait(place, []);
  sessionStorage.setItem(restKey(place.dataset.address), JSON.stringify(rest));
  sent.following = place.dataset.address;
});

for (const place of document.querySelectorAll("[data-new-items]")) {
  // Those that were there before the page was opened again, so that what was typed of them is not lost.
  const typed = [...new Set(keptNames.map((name) => Number(/^new:(\d+):/.exec(name)?.[1] ?? 0)))].filter(Boolean).sort((left, right) => left - right);
  const rest = waiting();
  for (const number of typed) showDigests(place, add(place, number));
  if (!typed.length && rest.length) {
    wait(place, []);
    fill(place, { rows: rest, ignored: [] }, 0);
  } else if (rest.length) say(place, ...restNote(place));
  else if (!typed.length && "first" in place.dataset) add(place);
  const photographs = place.querySelector(".photographs");
  takeFrom(photographs, photographs, (files) => takeAll(place, [...files]));
  showColumns(place);
  renumber(place);
}
