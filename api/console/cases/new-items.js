// Items that are registered together with the act of a form: each is a copy of the template, numbered.
function add(place) {
  const number = Number(place.dataset.added ?? 0) + 1;
  place.dataset.added = number;
  const copy = document.createElement("div");
  copy.innerHTML = place.querySelector("template").innerHTML.replaceAll("new:0:", `new:${number}:`);
  const item = copy.firstElementChild;
  item.querySelector("[data-number]").textContent = number;
  place.querySelector("[data-another]").parentElement.before(item);
  document.dispatchEvent(new Event("lines-added"));
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
for (const button of document.querySelectorAll("[data-first]")) add(button.closest("[data-new-items]"));
