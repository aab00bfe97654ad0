// The fields of an acceptance as a phone sends them to the desk: those alone that differ from how the page begins.
import { fieldsOf, isTicked, keyOf, now, usual } from "../shared/kept.js";

const isRadio = ({ type }) => type === "radio";
// A group of radio buttons is one value; a tick is a value for each thing that it is of.
const nameOf = (field) => (isRadio(field) ? field.name : keyOf(field));

export function answerOf(form) {
  const changed = fieldsOf(form).filter((field) => now(field) !== usual(field) && (!isRadio(field) || field.checked));
  return Object.fromEntries(changed.map((field) => [nameOf(field), isRadio(field) ? field.value : now(field)]));
}

// Return the value of a name as `pick` reads it off a field (now or usual), or undefined where the form has no such field.
export function valueOf(form, name, pick) {
  const fields = fieldsOf(form).filter((field) => nameOf(field) === name);
  if (!fields.length) return undefined;
  return isRadio(fields[0]) ? fields.find(pick)?.value : pick(fields[0]);
}

// Set a value, and return the field that shows it; none where the form has no such field.
export function setValue(form, name, value) {
  const fields = fieldsOf(form).filter((field) => nameOf(field) === name);
  const field = fields.find((each) => !isRadio(each) || each.value === value);
  if (!field) return null;
  if (isTicked(field)) field.checked = isRadio(field) || value;
  else field.value = value;
  field.closest("details")?.setAttribute("open", "");
  field.dispatchEvent(new Event("change", { bubbles: true }));
  return field;
}
