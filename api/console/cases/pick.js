// Picking items, or ticking those that were checked: all, one by one, or by a code that a scanner types or the camera reads.
const lines = () => [...document.querySelectorAll(".lines [data-codes]")];
const scan = document.querySelector("[data-scan]");
const count = document.querySelector("main [data-count]");
const counter = document.querySelector("[data-seen]"); // where items are received: how many were scanned or looked at
const boxes = () => [...document.querySelectorAll("input[name=item], input[name=seen]")];

function counted() {
  const ticked = boxes().filter((box) => box.checked).length;
  if (counter) counter.textContent = ticked;
  if (count) count.textContent = `${ticked} / ${count.dataset.count}`;
}

// Load all remaining lines at once, since a code may be on any of them.
export async function whole() {
  const more = document.querySelector(".lines [data-more]");
  if (!more) return;
  const answer = await fetch(`${more.dataset.more}&all=true`);
  if (!answer.ok) return more.querySelector("button").click(); // which shows what is wrong
  more.outerHTML = await answer.text();
  document.dispatchEvent(new Event("lines-added"));
}

// Tick the item with the code that the field has, and tell which; return its line, or none.
async function take() {
  const code = scan.value.trim().toLowerCase();
  if (!code) return null;
  const named = () => lines().find(({ dataset }) => dataset.codes.split("\n").includes(code));
  if (!named()) await whole();
  const line = named();
  const outcome = document.getElementById("scanned");
  for (const each of lines()) each.classList.toggle("scanned", each === line);
  if (!line) {
    outcome.textContent = `${scan.dataset.none} ${code}`;
  } else {
    line.querySelector("input[name=item], input[name=seen]").checked = true;
    outcome.textContent = `${scan.dataset.picked} ${line.querySelector("strong").textContent}`;
    scan.dispatchEvent(new Event("input", { bubbles: true }));
  }
  counted();
  return line;
}

scan?.addEventListener("keydown", async (event) => {
  if (event.key !== "Enter") return;
  event.preventDefault();
  (await take())?.scrollIntoView({ block: "nearest" }); // not where the camera reads codes: it would leave the screen
  scan.select();
});
scan?.addEventListener("scanned", (event) => {
  event.preventDefault();
  event.detail.tell(take());
});

// Only the purposes for which cases go to an agency of its kind are offered for the chosen receiver.
const receiver = document.getElementById("to_agency");
const purpose = document.getElementById("purpose");
receiver?.addEventListener("change", () => {
  const fitting = receiver.selectedOptions[0].dataset.purposes?.split(" ");
  for (const option of purpose.options) option.hidden = option.disabled = Boolean(fitting && option.value && !fitting.includes(option.value));
  if (purpose.selectedOptions[0]?.disabled) purpose.value = "";
  purpose.required = Boolean(receiver.value);
});

document.querySelector("[data-all]")?.addEventListener("click", async () => {
  await whole();
  for (const box of boxes()) box.checked = true;
  counted();
  scan?.dispatchEvent(new Event("input", { bubbles: true }));
});
document.addEventListener("change", ({ target }) => {
  if (target.matches(".how input")) target.closest("li").querySelector("input[name=seen]").checked = true;
  counted();
});

counted(); // an offer that resumes another has its items ticked

// Whoever receives without having looked at anything is asked once whether he means it.
const answer = document.querySelector("form[data-unseen]");
answer?.addEventListener("submit", (event) => {
  const ask = answer.querySelector("[data-ask]");
  const looked = (line) => line.querySelector("input[name=seen]:checked, .hashed li");
  if (!ask.hidden || !lines().length || lines().some(looked)) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  ask.hidden = false;
}, true);
