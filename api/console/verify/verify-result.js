// The verifier's result for people: the verdict, what failed and where, the numbered steps, and what was signed.
import { say, why, words } from "./verify-words.js";

const part = (id) => document.getElementById(id);
const made = (kind, given = {}, ...inner) => {
  const one = Object.assign(document.createElement(kind), given);
  one.append(...inner);
  return one;
};
const resultOf = (step) => (step.status === "checked" || step.status === "failed" ? step.status : "not_checked");

function line(step) {
  const [named, result] = [words.steps[step.name], resultOf(step)];
  const reason = made("span", { className: "why" }, named[result] ?? "", made("span", { className: "detail", textContent: why(step.detail) }));
  return made(
    "li", {}, made("span", { className: "number", textContent: step.number }), made("strong", { textContent: named.name }),
    made("span", { className: `state ${result}`, textContent: words.results[result] }), reason,
  );
}

const typeOf = ({ envelope: { event_type: type } }) => words.event_types[type] ?? type;

function* faults(result) {
  const failed = (steps) => steps.filter((step) => step.status === "failed");
  const about = (step) => ({ step: step.number, name: words.steps[step.name].name, why: why(step.detail) });
  for (const step of failed(result.steps)) yield say("fault", about(step));
  for (const [at, one] of (result.events ?? []).entries()) {
    const where = { number: at + 1, count: result.events.length, event_type: typeOf(one) };
    for (const step of failed(one.steps)) yield say("fault_of", { ...where, ...about(step) });
  }
}

function event(one, at) {
  const entry = one.index === undefined ? "—" : one.index;
  const told = `${say("event")} ${at + 1} · ${typeOf(one)} · ${say("entry")} ${entry} · `;
  const sections = one.steps.find(({ name }) => name === "sections");
  const hidden = resultOf(sections) === "not_checked" ? ` · ${why(sections.detail)}` : "";
  const details = made(
    "details", { className: `event ${one.verdict}` }, made("summary", {}, told, made("strong", { textContent: words.verdicts[one.verdict] }), hidden),
  );
  details.addEventListener("toggle", () => { // a long case has many steps: they are written when somebody looks
    if (details.querySelector("ol")) return;
    details.append(made("ol", { className: "steps" }, ...one.steps.map(line)), made("dl", {}, ...content(one)));
  });
  return details;
}

function* values(value, path) {
  if (value === null || typeof value !== "object") yield [path, String(value)];
  else for (const [name, one] of Object.entries(value)) yield* values(one, path ? `${path}.${name}` : name);
}

function content({ envelope: { event_id, event_type, stream, sequence, agency }, payload }) {
  if (!payload) return [made("dt", { textContent: "payload" }), made("dd", { textContent: say("withheld") })];
  return [...values({ event_id, event_type, stream, sequence, agency, ...payload }, "")].flatMap(([path, text]) => [made("dt", { textContent: path }), made("dd", { textContent: text })]);
}

function shown(id, text, className) {
  part(id).hidden = !text;
  part(id).textContent = text ?? "";
  if (className) part(id).className = className;
}

// The verdict is on integrity; the two other statements are shown beside it and never change it.
function statements({ conformity, completeness }) {
  return Object.entries({ conformity, completeness }).map(([name, { result, detail }]) => made(
    "li", {}, made("strong", { textContent: words.statements[name] }),
    made("span", { className: `state ${result}`, textContent: words.stated[result] }), made("span", { className: "detail", textContent: why(detail) }),
  ));
}

// `paper` is the text on the code on paper, if there is one; `trustName` the name of the trust file, none for the server's.
export function showResult(result, { trustName, paper }) {
  shown("verdict", words.verdicts[result.verdict], `verdict ${result.verdict}`);
  shown("meaning", `${words.statements.integrity}. ${words.meanings[result.verdict]}`);
  part("statements").replaceChildren(...statements(result));
  shown("paper-says", paper?.text, paper?.isFound ? "done" : "blocked");
  shown("development", result.development ? say("development") : null);
  shown("trusted-by", `${trustName ? say("by_file", { name: trustName }) : say("by_server")} ${say("trust_digest", { digest: result.trust_digest })}${result.trusted_blocks.length ? ` ${say("trusted_blocks", { blocks: result.trusted_blocks.join(", ") })}` : ""}`, trustName ? "done" : "notice");
  const found = [...faults(result)];
  part("faults").hidden = !found.length;
  part("faults").querySelector("ul").replaceChildren(...found.map((text) => made("li", { textContent: text })));
  part("steps").replaceChildren(...result.steps.map(line));
  const each = result.events?.map(event) ?? [];
  part("events").replaceChildren(...(each.length ? [made("h3", { textContent: say("events") }), ...each] : []));
  part("content").hidden = Boolean(result.events);
  part("content").querySelector("summary").textContent = say("content");
  part("content").querySelector("dl").replaceChildren(...(result.events ? [] : content(result)));
  part("verdict").focus();
}
