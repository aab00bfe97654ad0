// A file is given where the item's record has its digest: it is hashed here, and sent only then.
import { takeFrom } from "../shared/dropping.js";
import { digests } from "../shared/hashing.js";
import { refusedPart } from "../shared/refusal.js";

const HEADERS = { "content-type": "application/octet-stream", "accept-language": document.documentElement.lang, "hx-request": "true" };

function show(drop, ...nodes) {
  drop.querySelector(".given").replaceChildren(...nodes);
}

async function send(drop, file, digest) {
  const answer = await fetch(drop.dataset.give + digest, { method: "POST", headers: HEADERS, body: file });
  const part = await refusedPart(answer);
  if (!answer.ok) return show(drop, drop.dataset.refused, " ", ...part);
  drop.closest("#files").replaceWith(...part);
  document.dispatchEvent(new Event("files-given"));
}

async function give(drop, file) {
  const progress = document.createElement("progress");
  progress.setAttribute("aria-label", `${drop.dataset.hashing} ${file.name}`);
  show(drop, `${file.name} · ${drop.dataset.hashing} `, progress);
  try {
    const own = await digests(file, progress);
    const digest = drop.dataset.recorded.split(" ").find((recorded) => own.includes(recorded));
    if (!digest) return show(drop, `${file.name} · ${drop.dataset.other}`);
    show(drop, `${file.name} · ${drop.dataset.sending}`);
    await send(drop, file, digest);
  } catch {
    show(drop, `${file.name} · ${drop.dataset.unread}`);
  }
}

function attachAll() {
  for (const drop of document.querySelectorAll("[data-give]:not([data-attached])")) {
    drop.dataset.attached = "";
    takeFrom(drop, drop, ([file]) => file && give(drop, file));
  }
}
attachAll();
document.addEventListener("files-given", attachAll);
