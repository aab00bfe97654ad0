// The verifier's result for people: the verdict, what failed and where, the numbered steps, and what was signed.
import { say, why, words } from "./verify-words.js";

const part = (id) => document.getElementById(id);
const element = (kind, properties = {}, ...inner) => {
  const node = Object.assign(document.createElement(kind), properties);
  node.append(...inner);
  return node;
};
const resultOf = (step) => (step.status === "checked" || step.status === "failed" ? step.status : "not_checked");

function line(step) {
  const [named, result] = [words.steps[step.name], resultOf(step)];
  const reason = element("span", { className: "why" }, named[result] ?? "", element("span", { className: "detail", textContent: why(step.detail) }));
  return element(
    "li", {}, element("span", { className: "number", textContent: step.number }), element("strong", { textContent: named.name }),
    element("span", { className: `state ${result}`, textContent: words.results[result] }), reason,
  );
}

const typeOf = ({ envelope: { event_type: type } }) => words.event_types[type] ?? type;

function* faults(result) {
  const failed = (steps) => steps.filter((step) => step.status === "failed");
  const about = (step) => ({ step: step.number, name: words.steps[step.name].name, why: why(step.detail) });
  for (const step of failed(result.steps)) yield say("fault", about(step));
  for (const [at, event] of (result.events ?? []).entries()) {
    const where = { number: at + 1, count: result.events.length, event_type: typeOf(event) };
    for (const step of failed(event.steps)) yield say("fault_of", { ...where, ...about(step) });
  }
}

function partOf(event, at, isOpen) {
  const entry = event.index === undefined ? "—" : event.index;
  const heading = `${say("event")} ${at + 1} · ${typeOf(event)} · ${say("entry")} ${entry} · `;
  const sections = event.steps.find(({ name }) => name === "sections");
  const hidden = resultOf(sections) === "not_checked" ? ` · ${why(sections.detail)}` : "";
  const details = element(
    "details", { className: `event ${event.verdict}`, open: isOpen }, element("summary", {}, heading, element("strong", { textContent: words.verdicts[event.verdict] }), hidden),
  );
  details.addEventListener("toggle", () => { // a long case has many steps: they are written when somebody looks
    if (details.querySelector("ol")) return;
    details.append(element("ol", { className: "steps" }, ...event.steps.map(line)), element("dl", {}, ...content(event)));
  });
  return details;
}

function* values(value, path) {
  if (value === null || typeof value !== "object") yield [path, String(value)];
  else for (const [name, entry] of Object.entries(value)) yield* values(entry, path ? `${path}.${name}` : name);
}

function content({ envelope: { event_id, event_type, stream, sequence, agency }, payload }) {
  if (!payload) return [element("dt", { textContent: "payload" }), element("dd", { textContent: say("withheld") })];
  return [...values({ event_id, event_type, stream, sequence, agency, ...payload }, "")].flatMap(([path, text]) => [element("dt", { textContent: path }), element("dd", { textContent: text })]);
}

function shown(id, text, className) {
  part(id).hidden = !text;
  part(id).textContent = text ?? "";
  if (className) part(id).className = className;
}

// The verdict is on integrity; the two other statements are shown beside it and never change it.
function statements({ conformity, completeness }) {
  return Object.entries({ conformity, completeness }).map(([name, { result, detail }]) => element(
    "li", {}, element("strong", { textContent: words.statements[name] }),
    element("span", { className: `state ${result}`, textContent: words.stated[result] }), element("span", { className: "detail", textContent: why(detail) }),
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
  const lines = [...faults(result)];
  part("faults").hidden = !lines.length;
  part("faults").querySelector("ul").replaceChildren(...lines.map((text) => element("li", { textContent: text })));
  part("steps").replaceChildren(...result.steps.map(line));
  const each = result.events?.map((event, at) => partOf(event, at, event === paper?.event)) ?? [];
  part("events").replaceChildren(...(each.length ? [element("h3", { textContent: say("events") }), ...each] : []));
  part("content").hidden = Boolean(result.events);
  part("content").open = Boolean(paper?.isFound);
  part("content").querySelector("summary").textContent = say("content");
  part("content").querySelector("dl").replaceChildren(...(result.events ? [] : content(result)));
  part("verdict").focus();
}
