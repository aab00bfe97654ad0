// A phone that scanned the desk's code: it is behind the # of the address, so that it stands in no log, and counts once.
import { PART_HEADERS, refusedPart } from "../shared/refusal.js";

const form = document.getElementById("open-phone");
const outcome = document.getElementById("phone-refused");

async function open(code) {
  const answer = await fetch(form.action, { method: "POST", headers: PART_HEADERS, body: JSON.stringify({ code }) }).catch(() => null);
  if (answer?.ok) return location.replace(form.dataset.next);
  if (!answer) return (outcome.textContent = form.dataset.lost);
  return outcome.replaceChildren(...(await refusedPart(answer)));
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  open(form.elements.code.value);
});
function takeScanned() {
  const scanned = location.hash.slice(1);
  if (!scanned) return;
  history.replaceState(null, "", location.pathname);
  open(scanned);
}
addEventListener("hashchange", takeScanned); // scanned again where the page is still open
takeScanned();
