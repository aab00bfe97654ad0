// The page's texts, which the server put into it, with slots filled; and the verifier's reasons in the reader's language.
const part = document.getElementById("verify");
export const words = JSON.parse(part.dataset.words);

export const say = (name, values = {}) => words.says[name].replace(/{(\w+)}/g, (_, slot) => values[slot]);

const slots = (template) => template.split("{}").map((one) => one.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join("(.*?)");
const reasons = Object.entries(words.reasons)
  .sort(([a], [b]) => b.replaceAll("{}", "").length - a.replaceAll("{}", "").length) // the one that says most
  .map(([template, told]) => [new RegExp(`^${slots(template)}$`, "s"), told]);

const SECTIONS = /^\S+ (?:withheld|erased).*; \S+ (?:withheld|erased)/; // several reasons in one

function translated(reason) {
  if (SECTIONS.test(reason)) return reason.split("; ").map(translated).join("；");
  for (const [pattern, told] of reasons) {
    const found = pattern.exec(reason);
    if (!found) continue;
    let next = 0;
    return told.replace(/{(\d?)}/g, (_, at) => translated(found[at === "" ? (next += 1) : Number(at) + 1]));
  }
  return words.verdicts[reason] ?? reason;
}

const beijing = new Intl.DateTimeFormat("sv-SE", { timeZone: "Asia/Shanghai", dateStyle: "short", timeStyle: "medium" });

const readable = (seconds) => say("times", { at: beijing.format(new Date(Number(seconds) * 1000)) });

// Return the reason of a step's result in the reader's language, with readable times.
export const why = (reason) => translated(reason).replace(/(\d{9,11}) \(unix seconds\)/g, (_, seconds) => readable(seconds));
