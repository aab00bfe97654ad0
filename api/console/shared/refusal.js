import { inZone } from "./clock.js";

// A refusal in the reader's words: the console has a text for each code; the detail comes from the service or the signer.
const KNOWN = /^[a-z_]{1,64}$/; // wallets have codes of their own
const ENGLISH = /^[ -~]*$/; // what the catalogue lacks
const INSTANT = /(?<!\d)\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ/g;

// The API gives times in UTC; people read them in the zone of the whole page.
const readable = (text) => text.replace(INSTANT, (at) => (isNaN(new Date(at)) ? at : inZone(new Date(at))));

// What a request says of its reader: the service answers in the page's language.
export const JSON_HEADERS = { "content-type": "application/json", "accept-language": document.documentElement.lang };

export async function refusal(before, { code, status, detail: text }) {
  const detail = readable(text);
  const address = `${document.body.dataset.root}/refusals/${code}${status ? `?status=${status}` : ""}`;
  const answer = KNOWN.test(code) ? await fetch(address).catch(() => null) : null;
  if (!answer?.ok) return [`${before} ${detail}`];
  const { body } = new DOMParser().parseFromString(await answer.text(), "text/html");
  const place = body.querySelector("[data-detail]");
  place.textContent = detail;
  if (ENGLISH.test(detail)) place.lang = "en";
  return [`${before} `, ...body.childNodes];
}

// What a page's form is answered with, where a script sends it and asks for the part of a page that tells of a refusal.
export const PART_HEADERS = { ...JSON_HEADERS, "hx-request": "true" };

export async function refusedPart(answer) {
  const { body } = new DOMParser().parseFromString(await answer.text(), "text/html");
  return [...body.childNodes];
}
