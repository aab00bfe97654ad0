// Signing in: a challenge of the service, signed by the signer or a wallet, is exchanged for a session cookie.
import { BUSY, DECLINED, UNANSWERED, UNPAIRED, remember, SignerProvider, wallet } from "../shared/provider.js";
import { PART_HEADERS, refusal, refusedPart } from "../shared/refusal.js";

const part = (id) => document.getElementById(id);
const words = part("sign-in").dataset;
const walletIdle = part("wallet-state").textContent;
const signer = new SignerProvider(document.body.dataset.signer);

function show(...ids) {
  for (const id of ["signer-command", "pairing", "by-signer", "look-again", "signer-page"]) part(id).hidden = !ids.includes(id);
}

async function look() {
  part("signer-state").textContent = words.looking;
  try {
    await signer.request({ method: "eth_requestAccounts" });
    part("signer-state").textContent = words.ready;
    show("by-signer", "signer-page");
    part("by-signer").focus();
  } catch (error) {
    const unpaired = error.code === UNPAIRED;
    part("signer-state").textContent = unpaired ? words.unpaired : words.absent;
    show(...(unpaired ? ["pairing", "signer-page"] : ["signer-command", "look-again"]));
    if (unpaired) part("code").focus();
  }
}

async function post(path, body) {
  const answer = await fetch(path, { method: "POST", headers: PART_HEADERS, body: JSON.stringify(body) });
  if (answer.ok) return answer.status === 204 ? null : answer.json();
  if (answer.headers.get("content-type").startsWith("text/html")) throw Object.assign(new Error("refused"), { part: await refusedPart(answer) });
  throw Object.assign(new Error("refused"), { problem: await answer.json() });
}

async function signIn(provider) {
  const [account] = await provider.request({ method: "eth_requestAccounts" });
  const challenge = await post("/api/v1/sign-in/challenge", { key_id: account.toLowerCase() });
  part(provider.isSigner ? "signer-state" : "wallet-state").textContent = provider.isSigner ? words.agree : words.walletAgree;
  const text = `0x${Array.from(new TextEncoder().encode(challenge.message), (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
  const signature = await provider.request({ method: "personal_sign", params: [text, account] });
  part("signer-state").textContent = words.signing;
  await post(`${document.body.dataset.root}/sign-in`, { nonce: challenge.nonce, signature });
  remember(provider);
  location.assign(words.next);
}

async function outcomeOf(error, provider) {
  if (error.part) return error.part;
  if (error.problem) return refusal(words.refused, error.problem);
  if (error instanceof TypeError) return [words.lost];
  const declined = error.data?.code === UNANSWERED ? words.unanswered : words.declined;
  const byCode = { [DECLINED]: declined, [BUSY]: provider.isSigner ? words.busy : words.walletBusy }[error.code];
  const refused = provider.isSigner ? words.signerRefused : words.walletRefused;
  return byCode ? [byCode] : refusal(refused, { code: error.data?.code, detail: error.message });
}

async function attempt(provider) {
  part("outcome").textContent = "";
  try {
    await signIn(provider);
  } catch (error) {
    part("outcome").replaceChildren(...(await outcomeOf(error, provider)));
    part("wallet-state").textContent = walletIdle;
    if (provider.isSigner && error.code !== BUSY) await look();
  }
}

part("pairing").addEventListener("submit", async (event) => {
  event.preventDefault();
  part("outcome").textContent = "";
  try {
    await signer.pair(part("code").value);
    await look();
  } catch (error) {
    part("outcome").replaceChildren(...(error.code === UNPAIRED ? [words.wrongCode] : await outcomeOf(error, signer)));
    part("code").select();
  }
});
part("by-signer").addEventListener("click", () => attempt(signer));
part("by-wallet").addEventListener("click", () => attempt(wallet()));
part("look-again").addEventListener("click", look);

// A wallet may announce itself after the page has loaded.
function lookForWallet() {
  part("by-wallet").hidden = !wallet();
}
addEventListener("ethereum#initialized", lookForWallet, { once: true });
lookForWallet();
look();
