// The page's texts, which the server put into it, with slots filled; and the verifier's reasons in the reader's language.
const part = document.getElementById("verify");
export const words = JSON.parse(part.dataset.words);

const filled = (template, valueOf) => template.replace(/{(\w+)}/g, (_, slot) => valueOf(slot));

export const say = (name, values = {}) => filled(words.says[name], (slot) => values[slot]);

const beijing = new Intl.DateTimeFormat("sv-SE", { timeZone: "Asia/Shanghai", dateStyle: "short", timeStyle: "medium" });

// Return a reason of the verifier in the reader's language, with readable times.
export function why({ id, slots }) {
  if ("seconds" in slots) return say("times", { at: beijing.format(new Date(Number(slots.seconds) * 1000)) });
  return filled(words.reasons[id] ?? id, (slot) => {
    const value = slots[slot];
    if (slot === "verdict") return words.verdicts[value];
    return value.slots ? why(value) : value;
  });
}
