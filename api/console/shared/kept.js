// What somebody typed into the form of an act outlives a refusal, a reload and a step aside: in his window alone, until it is recorded.
const PREFIX = "tallystick-typed";
const { keyId } = document.body.dataset;
// Where something is kept of this officer in this window, until he signs out.
export const placeOf = (subject) => `${PREFIX} ${keyId} ${subject}`;
// What a page says was recorded just before does not make it another page.
const search = new URLSearchParams(location.search);
search.delete("event");
const place = placeOf(`${location.pathname}?${search}`);
const forms = [...document.querySelectorAll("form[data-act]")];

export const fieldsOf = (form) => [...(form.elements ?? form.querySelectorAll("[name]"))].filter(({ name, type }) => name && !["hidden", "file", "submit"].includes(type));
export const isTicked = ({ type }) => type === "checkbox" || type === "radio";
export const keyOf = (field) => (isTicked(field) ? `${field.name} ${field.value}` : field.name);
export const usual = (field) => {
  if (isTicked(field)) return field.defaultChecked;
  return field.options ? ([...field.options].find((option) => option.defaultSelected) ?? field.options[0])?.value : field.defaultValue;
};
export const now = (field) => (isTicked(field) ? field.checked : field.value);

export const FROM_PHONE = `${place} phone`; // where a desk keeps what it took over from a phone
export const SENT = `${place} sent`; // what was sent to be recorded, and not answered yet

export const forget = () => [place, FROM_PHONE, SENT].forEach((key) => sessionStorage.removeItem(key));

function keep() {
  const changed = forms.map((form) => Object.fromEntries(fieldsOf(form).filter((field) => now(field) !== usual(field)).map((field) => [keyOf(field), now(field)])));
  sessionStorage.setItem(place, JSON.stringify(changed));
}

function restore(form, typed) {
  for (const field of fieldsOf(form)) {
    const value = typed[keyOf(field)];
    if (value === undefined) continue;
    if (isTicked(field)) field.checked = value;
    else field.value = value;
    if (field.options && field.value !== value) field.add(new Option(value, value, false, true)); // no choice, and refused as typed
    field.closest("details")?.setAttribute("open", "");
    field.dispatchEvent(new Event("change", { bubbles: true }));
  }
}

// Nothing of it is left to whoever signs in next.
for (const key of Object.keys(sessionStorage)) if (key.startsWith(PREFIX) && !(keyId && key.startsWith(`${PREFIX} ${keyId} `))) sessionStorage.removeItem(key);
const kept = JSON.parse(sessionStorage.getItem(place) ?? "[]");
// The names of the fields that something was typed into before this page was opened again.
export const keptNames = kept.flatMap((typed) => Object.keys(typed));
if (forms.length) {
  forms.forEach((form, at) => kept[at] && restore(form, kept[at]));
  for (const changed of ["input", "change"]) document.addEventListener(changed, ({ target }) => target.closest("[data-act]") && keep());
  document.addEventListener("lines-added", ({ detail: added }) => {
    const typed = added && kept[forms.indexOf(added.closest("form"))];
    if (typed) restore(added, typed);
  });
}
