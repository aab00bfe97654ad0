// What the procedure asks of one kind alone is shown once that kind is chosen, in the form or in the part of it.
const parts = () => [...document.querySelectorAll("[data-kind]")];

function show() {
  for (const part of parts()) {
    const form = part.closest("[data-kinds-of], .act-form");
    part.hidden = ![...form.querySelectorAll("select")].some((select) => select.value === part.dataset.kind);
  }
}
document.addEventListener("change", show);
show();
