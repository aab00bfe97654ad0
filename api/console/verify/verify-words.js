import { inZone } from "../shared/clock.js";

// The page's texts, which the server put into it, with slots filled; and the verifier's reasons in the reader's language.
const part = document.getElementById("verify");
export const words = JSON.parse(part.dataset.words);

const filled = (template, valueOf) => template.replace(/{(\w+)}/g, (_, slot) => valueOf(slot));

export const say = (name, values = {}) => filled(words.says[name], (slot) => values[slot]);

// Return a reason of the verifier in the reader's language, with readable times.
export function why({ id, slots }) {
  if ("seconds" in slots) return inZone(new Date(Number(slots.seconds) * 1000));
  return filled(words.reasons[id] ?? id, (slot) => {
    const value = slots[slot];
    if (slot === "verdict") return words.verdicts[value];
    return value.slots ? why(value) : value;
  });
}
