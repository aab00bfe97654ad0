// Times as the page shows them: in its zone, with the offset. A zone that the browser does not know leaves them in UTC.
const PARTS = { dateStyle: undefined, year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit" };
const formatOf = (timeZone) => new Intl.DateTimeFormat("sv-SE", { ...PARTS, timeZone, timeZoneName: "longOffset" });

const format = (() => {
  try {
    return formatOf(document.body.dataset.zone);
  } catch {
    return formatOf("UTC");
  }
})();

export function inZone(at) {
  const shown = format.format(at);
  return shown.endsWith("GMT") ? shown.replace("GMT", "+00:00") : shown.replace(/GMT(?=[+-\u2212])/, "");
}
