// Sign in, offer, accept, verify: SENDER_KEY=0x... RECEIVER_KEY=0x... node quick_start.mjs URL CASE ITEM AGENCY
import { privateKeyToAccount } from "viem/accounts";
import { requireLogged } from "./verify.mjs";

const [url, id, item, agency] = process.argv.slice(2);

async function post(path, body, headers = {}) {
  const asked = { method: "POST", headers: { "content-type": "application/json", ...headers }, body: JSON.stringify(body) };
  const answer = await fetch(`${url}/api/v1/${path}`, asked);
  if (!answer.ok) throw new Error(await answer.text()); // names the field and what to do
  return answer.json();
}

async function record(key, event_type, body) {
  const officer = privateKeyToAccount(key);
  const { nonce, message } = await post("sign-in/challenge", { key_id: officer.address.toLowerCase() });
  const { access_token } = await post("sign-in/token", { nonce, signature: await officer.signMessage({ message }) });
  const act = { event_type, stream: { kind: "case", id }, body };
  const { submission, typed_data, sentence } = await post("drafts", act, { authorization: `Bearer ${access_token}` });
  console.log(sentence); // what is signed
  submission.envelope.signature = await officer.signTypedData(typed_data);
  await requireLogged(submission.envelope, await post("events", submission), typed_data);
  return submission.payload.body;
}

const { SENDER_KEY, RECEIVER_KEY } = process.env;
const offer = { to_agency: agency, purpose: "prosecution_review", items: [{ item_id: item }] };
const { handover_id } = await record(SENDER_KEY, "handover.offered", offer);
const received_at = new Date().toISOString().slice(0, 19) + "Z";
await record(RECEIVER_KEY, "handover.accepted", { handover_id, received_at, rest_as_listed: true });
