// Keeps filters of the list of cases by name, in this browser, each officer's apart. A person is not kept.
const form = document.querySelector("[data-filters]");
const place = `tallystick-filters-${form.dataset.filters}`;
const box = document.querySelector("[data-kept]");
const [kept, name] = [box.querySelector("#kept"), box.querySelector("#kept-as")];

const read = () => JSON.parse(localStorage.getItem(place) ?? "{}");

function show(all, chosen = "") {
  kept.replaceChildren(kept.options[0], ...Object.keys(all).sort().map((each) => new Option(each, each)));
  kept.value = chosen;
}

function write(all, chosen) {
  localStorage.setItem(place, JSON.stringify(all));
  show(all, chosen);
}

function filters() {
  const chosen = new URLSearchParams(new FormData(form));
  chosen.delete("person");
  for (const [key, value] of [...chosen]) if (!value) chosen.delete(key);
  return chosen.toString();
}

show(read(), Object.entries(read()).find(([, query]) => query === filters())?.[0]);
box.hidden = false;
kept.addEventListener("change", () => {
  if (kept.value) location.search = read()[kept.value];
});
box.querySelector("[data-keep]").addEventListener("click", () => {
  const chosen = name.value.trim();
  if (!chosen) return name.focus();
  write({ ...read(), [chosen]: filters() }, chosen);
  name.value = "";
});
box.querySelector("[data-forget]").addEventListener("click", () => {
  const { [kept.value]: _, ...others } = read();
  write(others, "");
});
