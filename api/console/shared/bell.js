// Keeps the bell fresh, and lets the browser tell of a new notice where its user has allowed that: once among all windows.
const EVERY = 60_000; // milliseconds
const { root, keyId } = document.body.dataset;
const KEY = `tallystick-noticed ${keyId}`;
const permission = () => globalThis.Notification?.permission ?? "missing";

function tell(bell) {
  const newest = Number(bell.dataset.newest ?? 0);
  const before = localStorage.getItem(KEY);
  if (before === null || newest > Number(before)) localStorage.setItem(KEY, newest);
  // What was there before the first page of this browser is no news.
  if (before === null || newest <= Number(before) || permission() !== "granted") return;
  const shown = new Notification("Tallystick", { body: bell.dataset.says, tag: KEY, lang: document.documentElement.lang });
  shown.addEventListener("click", () => {
    window.focus();
    location.assign(`${root}/notices/${newest}`);
  });
}

async function refresh() {
  // A window that nobody sees asks only if it may tell of what it is answered.
  if (document.hidden && permission() !== "granted") return;
  const answer = await fetch(`${root}/notices/bell`).catch(() => null);
  if (!answer?.ok) return;
  const { body } = new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = body.querySelector("#bell");
  const bell = document.getElementById("bell");
  if (!fresh) return clearInterval(timer); // the session is over
  if (fresh.dataset.newest !== bell.dataset.newest || fresh.dataset.count !== bell.dataset.count) {
    bell.replaceChildren(...fresh.childNodes);
    for (const name of ["newest", "count", "says"]) {
      if (name in fresh.dataset) bell.dataset[name] = fresh.dataset[name];
      else delete bell.dataset[name];
    }
  }
  tell(bell);
}

function showPermission() {
  for (const part of document.querySelectorAll("[data-permission]")) part.hidden = part.dataset.permission !== permission();
}

const timer = keyId && setInterval(refresh, EVERY);
if (keyId && document.getElementById("bell")) {
  tell(document.getElementById("bell"));
  document.addEventListener("visibilitychange", () => document.hidden || refresh());
  document.querySelector("[data-ask]")?.addEventListener("click", async () => {
    await Notification.requestPermission();
    showPermission();
  });
  showPermission();
}
