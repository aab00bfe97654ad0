// What the procedure asks of one kind alone is shown once that kind is chosen.
const parts = () => [...document.querySelectorAll("[data-kind]")];

function show() {
  const chosen = [...document.querySelectorAll(".act-form select")].map((select) => select.value);
  for (const part of parts()) part.hidden = !chosen.includes(part.dataset.kind);
}
document.addEventListener("change", show);
show();
