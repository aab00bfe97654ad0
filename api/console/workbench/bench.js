// The workbench: keeps what is typed while the form is updated, shows faults at their fields, and stores drafts in this browser.
const DRAFT = "tallystick-model:";
const byId = (id) => document.getElementById(id);
const definition = () => byId("definition");

function showFaults() {
  for (const line of document.querySelectorAll(".faults [data-at]")) {
    let place = line.dataset.at;
    let slot = byId(`fault:${place}`);
    while (!slot && /[.[]/.test(place)) {
      place = place.slice(0, Math.max(place.lastIndexOf("."), place.lastIndexOf("[")));
      slot = byId(`fault:${place}`);
    }
    if (!slot) continue;
    slot.append(Object.assign(document.createElement("span"), { textContent: line.lastElementChild.textContent }));
    byId(place)?.setAttribute("aria-invalid", "true");
    slot.closest("details")?.classList.add("at-fault");
  }
}

// Go to the field of a fault, or to its line in the file.
function go(button) {
  // A text that stands in neither language yet is written in the reader's.
  const language = document.documentElement.lang === "zh-CN" ? "zh" : "en";
  const field = byId(button.dataset.go) ?? byId(`${button.dataset.go}.${language}`);
  field?.closest("details")?.setAttribute("open", "");
  if (field) return field.focus();
  const file = definition();
  const lines = file.value.split("\n");
  const start = lines.slice(0, button.dataset.line - 1).join("\n").length + 1;
  file.focus();
  file.setSelectionRange(start, start + lines[button.dataset.line - 1].length);
}

// Update the page in place, so that a person who is typing keeps the field, the text and the cursor.
let open = [];
function remember() {
  open = [...document.querySelectorAll("#bench details[open][id]")].map(({ id }) => id);
}

function settle() {
  for (const id of open) byId(id)?.setAttribute("open", "");
  for (const field of document.querySelectorAll("#bench input, #bench textarea, #bench option")) {
    if ((field.closest("select") ?? field) === document.activeElement) continue;
    if (field.matches("option")) field.selected = field.defaultSelected;
    else if (field.type === "checkbox") field.checked = field.defaultChecked;
    else if (field.closest("#parts") || field === definition()) field.value = field.defaultValue;
  }
}

const keep = () => definition() && localStorage.setItem(DRAFT + definition().dataset.model, definition().value);

document.addEventListener("htmx:before:swap", ({ target }) => target.closest("#bench") && remember());
document.addEventListener("htmx:after:swap", () => {
  settle();
  if (!document.querySelector(".fault > span")) showFaults();
  keep();
});
document.addEventListener("click", ({ target }) => {
  if (target.matches("[data-go]")) go(target);
});
document.addEventListener("change", ({ target }) => {
  if (target.closest("#parts") || target === definition()) byId("draft")?.replaceChildren();
});
// Leave the field when a press ends, not when it begins: the update that follows moves the elements under the pointer.
const button = ({ target }) => target.closest("#bench button");
document.addEventListener("mousedown", (event) => button(event) && event.preventDefault());
document.addEventListener("click", (event) => button(event) && document.activeElement.blur(), true);
// Write the last change into the file before anything else is done with it, since a press that leaves a field comes after the change.
let writing = null; // the part that the file is being brought up to date with
let saving = null; // the form that waits for it
const writes = (source) => source.matches("#parts, #definition");
document.addEventListener("htmx:before:request", ({ target, detail }) => {
  if (writes(target)) writing = target;
  else if (detail.ctx.request.body?.has("definition")) detail.ctx.request.body.set("definition", definition().value);
});
document.addEventListener("htmx:finally:request", ({ target }) => {
  if (target !== writing) return;
  writing = null;
  saving?.requestSubmit();
});
document.addEventListener("submit", (event) => {
  if (!event.target.matches("[data-save]")) return;
  saving = writing && event.target;
  if (saving) event.preventDefault();
  else event.target.elements.definition.value = definition().value;
});

const drafts = document.querySelector("[data-drafts]");
if (drafts) {
  const list = drafts.querySelector("ul");
  const form = document.querySelector("[data-open]");
  const take = (text) => {
    form.elements.definition.value = text;
    form.submit();
  };
  for (const key of Object.keys(localStorage).filter((name) => name.startsWith(DRAFT)).sort()) {
    const name = Object.assign(document.createElement("strong"), { textContent: key.slice(DRAFT.length) });
    const on = Object.assign(document.createElement("button"), { type: "button", className: "plain", textContent: list.dataset.take });
    const off = Object.assign(document.createElement("button"), { type: "button", className: "plain", textContent: list.dataset.drop });
    const line = document.createElement("li");
    on.addEventListener("click", () => take(localStorage.getItem(key)));
    off.addEventListener("click", () => {
      localStorage.removeItem(key);
      line.remove();
    });
    line.append(name, " ", on, " ", off);
    list.append(line);
    drafts.hidden = false;
  }
  form.querySelector("input[type=file]").addEventListener("change", async ({ target }) => take(await target.files[0].text()));
}

showFaults();
