// Checks proofs in the browser: dropped files are read here, checked by the verifier beside this page, and never sent.
import { attachments, kindOf } from "./attachment.js";
import { takeFrom } from "../shared/dropping.js";
import { digests } from "../shared/hashing.js";
import { compared, showCode } from "./verify-code.js";
import { showResult } from "./verify-result.js";
import { say, why, words } from "./verify-words.js";

const LARGEST = 64 * 1024 * 1024; // bytes of a file that is looked into
const part = (id) => document.getElementById(id);
const drop = document.querySelector("[data-verify]");
const worker = new Worker(new URL("./verify-worker.js", import.meta.url), { type: "module" });
const waiting = new Map();
let broken = false; // the verifier did not load, or ended
const server = new TextEncoder().encode(part("server-trust").textContent);
let [trust, bundle, result, asked] = [null, null, null, 0];
const files = [];

worker.addEventListener("message", ({ data }) => {
  if (data.ready) drop.dataset.ready = "";
  else if (data.of) Object.assign(part("progress"), { hidden: data.number !== asked, value: data.done, max: data.of });
  else waiting.get(data.number)?.(data);
});

worker.addEventListener("error", () => {
  broken = true;
  if (!bundle) tell(say("broken"));
  for (const done of waiting.values()) done({ broken });
});

const verified = (bundleBytes, trustBytes) => new Promise((done) => {
  if (broken) return done({ broken });
  asked += 1;
  waiting.set(asked, done);
  return worker.postMessage({ number: asked, bundle: bundleBytes, trust: trustBytes });
});

// Return what prevents a verdict, or nothing.
function tell(fault) {
  part("state").textContent = fault;
  part("state").className = fault ? "blocked" : "quiet";
}

function noted(name) {
  const [line, strong, state] = ["li", "strong", "span"].map((kind) => document.createElement(kind));
  strong.textContent = name;
  line.append(strong, " ", state);
  drop.querySelector(".hashed").append(line);
  return { line, state };
}

async function hash(file, { line, state }) {
  state.textContent = say("hashing");
  const progress = Object.assign(document.createElement("progress"), { value: 0 });
  progress.setAttribute("aria-label", `${say("hashing")} ${file.name}`);
  line.append(" ", progress);
  const hashes = await digests(file, progress);
  progress.remove();
  for (const text of hashes) line.append(Object.assign(document.createElement("code"), { textContent: text }));
  files.push({ name: file.name, hashes, state });
  compareFiles();
}

// Return the digests of files in the signed payloads, each with its event and field; `of` is the object that has it and its item in one.
function* recorded(value, field, event, of) {
  if (typeof value === "string" && /^(?:sha256|blake3|sm3):[0-9a-f]{64}$/.test(value)) yield { value, field, event, of };
  else if (value && typeof value === "object") {
    for (const [name, entry] of Object.entries(value)) {
      const inner = name === "digests" && value.item_id ? value : of;
      if (name !== "payload_digest") yield* recorded(entry, Array.isArray(value) ? `${field}[${name}]` : `${field}.${name}`, event, inner);
    }
  }
}

// Return all digests of the bundle, and by item those that it is recorded as. What somebody else states of the item later is a comparison with
// these, and proves nothing of it; alone in a bundle an examination counts that found them to match. `tally evidence check` counts alike.
function digestsIn({ events, ...single }) {
  const all = (events ?? [single]).flatMap(({ envelope, payload }, number) => [...recorded(payload?.body, "body", { number, type: envelope.event_type })]);
  const isRecord = events ? ({ event }) => ["item.registered", "item.frozen"].includes(event.type)
    : ({ event, of }) => event.type === "item.registered" || (event.type === "item.examined" && of.match_result === "match");
  const records = new Map();
  for (const digest of all.filter(({ of }) => of)) {
    const record = records.get(digest.of.item_id) ?? [];
    if (isRecord(digest) && (!record.length || record[0].event === digest.event)) records.set(digest.of.item_id, [...record, digest]);
  }
  return { records, all: all.map((digest) => ({ ...digest, counts: !digest.of || records.get(digest.of.item_id)?.[0].event === digest.event })) };
}

const named = ({ event: { number, type }, of }) => {
  const name = words.event_types[type] ?? type;
  return { number: number + 1, event_type: of?.match_result ? `${name}: ${words.matches[of.match_result] ?? of.match_result}` : name };
};

// Return class and text for a file of these digests.
function compare(hashes) {
  if (!result) return ["quiet", say("no_bundle")];
  const { all, records } = digestsIn(result);
  const is = ({ value }) => hashes.includes(value);
  const same = all.find((digest) => digest.counts && is(digest));
  if (same) return ["same", `${say("same", { ...named(same), field: same.field })} ${say("counts")}`];
  const mention = all.find(is);
  const record = mention && records.get(mention.of.item_id)?.find(({ value }) => hashes.some((hash) => hash.split(":")[0] === value.split(":")[0]));
  if (record) return ["other", say("mentioned_other", { ...named(mention), registered: record.event.number + 1 })];
  if (mention) return ["quiet", say("mentioned", named(mention))];
  const count = all.filter(({ counts }) => counts).length;
  return count ? ["other", say("other", { count })] : ["quiet", say(all.length ? "only_compared" : "none_recorded")];
}

function compareFiles() {
  for (const { name, hashes, state } of files) {
    [state.className, state.textContent] = compare(hashes);
    if (state.className !== "same" && name.toLowerCase().endsWith(".pdf")) state.textContent += ` ${say("pdf")}`;
  }
}

async function check() {
  if (!bundle) return;
  part("state").textContent = say("checking");
  const mine = bundle;
  const answer = await verified(bundle.bytes, trust?.bytes ?? server);
  if (mine !== bundle) return;
  part("progress").hidden = true;
  tell(answer.broken ? say("broken") : answer.refused === undefined ? "" : `${say("refused")} ${why(answer.refused)}`);
  result = answer.result ?? null;
  part("outcome-part").hidden = !result;
  if (result) showResult(result, { trustName: trust?.name, paper: compared(result.events ?? [result], bundle.logId) });
  compareFiles();
}

// Return what a bundle is about, or nothing for a broken one, which the verifier then refuses in words.
function looked({ stream, absent, entries }) {
  try {
    if (absent) return say("absence", { stream: absent.id });
    if (!stream) return say("bundle");
    const count = entries.filter(({ envelope }) => envelope.stream.kind === stream.kind && envelope.stream.id === stream.id).length;
    return say(stream.kind === "case" ? "case_bundle" : "package", { stream: stream.id, count });
  } catch {
    return "";
  }
}

// Return the content of the file, or of a PDF the attachment that is for the verifier, if there is one.
async function opened(file) {
  const bytes = new Uint8Array(await file.arrayBuffer());
  const whole = { bytes, ...kindOf(bytes), attached: false };
  if (whole.kind !== "file" || !whole.text.startsWith("%PDF-")) return whole;
  for await (const inner of attachments(bytes, LARGEST)) {
    const within = kindOf(inner);
    if (within.kind === "bundle") return { bytes: inner, ...within, attached: true };
  }
  return whole;
}

async function take(file) {
  const line = noted(file.name);
  try {
    if (file.size > LARGEST) return await hash(file, line);
    const { bytes, kind, document: content, attached } = await opened(file);
    if (kind === "file") return await hash(file, line);
    if (kind === "trust") {
      trust = { name: file.name, bytes };
      line.state.textContent = say("trust_dropped");
    } else {
      bundle = { bytes, logId: content.log_id };
      line.state.textContent = attached ? `${say("attached")} ${looked(content)}` : looked(content);
    }
    return await check();
  } catch {
    line.state.textContent = say("unread");
    return undefined;
  }
}

// In sequence, so that a trust file dropped together with its bundle is used for it.
async function takeAll(list) {
  for (const file of [...list]) await take(file);
}

addEventListener("hashchange", () => {
  showCode();
  check();
});
showCode();
takeFrom(document, drop, takeAll);
