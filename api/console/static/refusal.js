// What was refused, in the reader's words: the console has them by the code, the detail is that of whoever refused.
const KNOWN = /^[a-z_]{1,64}$/; // wallets have codes of their own

export async function refusal(before, { code, status, detail }) {
  const address = `${document.body.dataset.root}/refusals/${code}${status ? `?status=${status}` : ""}`;
  const answer = KNOWN.test(code) ? await fetch(address).catch(() => null) : null;
  if (!answer?.ok) return [`${before} ${detail}`];
  const { body } = new DOMParser().parseFromString(await answer.text(), "text/html");
  body.querySelector("[data-detail]").textContent = detail;
  return [`${before} `, ...body.childNodes];
}
