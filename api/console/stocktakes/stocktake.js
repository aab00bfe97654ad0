// The field of a stocktake for a scanner: each code is sent by itself, and the field is free for the next one at once.
const form = document.getElementById("scanning");
const { code, seal_number: seal } = form.elements;
let waiting = []; // who waits to hear what the last scan came to

// The camera sounds by what came of its code.
code.addEventListener("scanned", ({ detail }) => detail.tell(new Promise((resolve) => waiting.push(resolve))));

document.addEventListener("htmx:after:swap", () => {
  const outcome = document.querySelector("#told [data-result]");
  for (const resolve of waiting.splice(0)) resolve(outcome?.dataset.result === "present");
});

form.addEventListener("htmx:after:request", () => {
  code.value = "";
  seal.value = "";
  code.focus();
});
