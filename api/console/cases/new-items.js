// Items that are registered together with the act of a form: each is a copy of the template, numbered.
import { keptNames } from "../shared/kept.js";

function add(place) {
  const number = Number(place.dataset.added ?? 0) + 1;
  place.dataset.added = number;
  const copy = document.createElement("div");
  copy.innerHTML = place.querySelector("template").innerHTML.replaceAll("new:0:", `new:${number}:`);
  const item = copy.firstElementChild;
  item.querySelector("[data-number]").textContent = number;
  place.querySelector("[data-another]").parentElement.before(item);
  document.dispatchEvent(new CustomEvent("lines-added", { detail: item }));
  return item;
}

// The form has changed, so that a draft that is shown no longer says what it says.
const changed = (place) => place.dispatchEvent(new Event("input", { bubbles: true }));

document.addEventListener("click", ({ target }) => {
  const place = target.closest("[data-new-items]");
  if (target.closest("[data-another]")) {
    add(place).querySelector("select").focus();
    changed(place);
  } else if (target.closest("[data-without]")) {
    target.closest(".new-item").remove();
    changed(place);
    place.querySelector("[data-another]").focus();
  }
});
// As many as were there before the page was opened again, so that what was typed of them is not lost.
for (const place of document.querySelectorAll("[data-new-items]")) {
  const typed = keptNames.map((name) => Number(/^new:(\d+):/.exec(name)?.[1] ?? 0));
  const count = Math.max(place.querySelector("[data-first]") ? 1 : 0, ...typed);
  for (let number = 0; number < count; number += 1) add(place);
}
