// A phone that scanned the desk's code: it is behind the # of the address, so that it stands in no log, and counts once.
import { JSON_HEADERS } from "../shared/refusal.js";

const form = document.getElementById("open-phone");
const outcome = document.getElementById("phone-refused");

async function open(code) {
  const asked = { method: "POST", headers: { ...JSON_HEADERS, "hx-request": "true" }, body: JSON.stringify({ code }) };
  const answer = await fetch(form.action, asked).catch(() => null);
  if (answer?.ok) return location.replace(form.dataset.next);
  if (!answer) return (outcome.textContent = form.dataset.lost);
  return outcome.replaceChildren(...new DOMParser().parseFromString(await answer.text(), "text/html").body.childNodes);
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
