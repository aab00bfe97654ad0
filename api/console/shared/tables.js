// In a narrow window the cells of a row are stacked: each gets its heading as a label, and a role for screen readers.
const ROLES = { TABLE: "table", THEAD: "rowgroup", TBODY: "rowgroup", TR: "row", TD: "cell" };

function label(table) {
  const headings = table.tHead?.rows.length === 1 ? [...table.tHead.rows[0].cells] : [];
  const plain = [...table.querySelectorAll("tbody tr")].every((row) => row.cells.length === headings.length || row.cells.length === 1);
  if (!headings.length || !plain) return;
  for (const row of table.querySelectorAll("tbody tr")) {
    if (row.cells.length < headings.length) continue;
    [...row.cells].forEach((cell, at) => (cell.dataset.label = headings[at].textContent.trim()));
  }
  for (const part of [table, ...table.querySelectorAll("thead, tbody, tr, th, td")]) {
    part.setAttribute("role", ROLES[part.tagName] ?? (part.scope === "row" ? "rowheader" : "columnheader"));
  }
  table.classList.add("labelled");
}

const labelAll = () => document.querySelectorAll(".scroll > table").forEach(label);
document.addEventListener("htmx:after:swap", labelAll);
labelAll();
