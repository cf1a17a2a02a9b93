// What the pages gain with script: local times, live counters, a chip for news, keys. Nothing needs it.
const $ = (selector, root = document) => root.querySelector(selector);
const all = (selector, root = document) => [...root.querySelectorAll(selector)];

// Times in the viewer's zone; UTC stays in the title. Ages grow while one looks.
const loaded = performance.now();
const madeAt = Number(document.documentElement.dataset.now);
function span(seconds) {
  if (seconds < 100) return `${seconds} s`;
  if (seconds < 6000) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 172800) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86400)} d`;
}
function times() {
  const now = madeAt + performance.now() - loaded;
  for (const time of all("time[data-as]")) {
    const at = new Date(time.dateTime);
    if (time.dataset.as === "age") {
      const seconds = Math.floor((now - at) / 1000);
      if (seconds > 1) time.textContent = `${span(seconds)} ago`;
    } else {
      time.textContent = at.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
    }
  }
  for (const tick of all("svg text[data-ms]")) {
    const at = new Date(Number(tick.dataset.ms));
    tick.textContent = tick.dataset.as === "clock"
      ? at.toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit" })
      : at.toLocaleDateString(undefined, { month: "short", day: "numeric" });
  }
}
times();
setInterval(times, 5000);

// The same page again, as a document that runs nothing. XMLHttpRequest parses it without a Trusted Types sink.
function again() {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("GET", location.href);
    request.responseType = "document";
    request.onload = () => (request.status === 200 && request.response ? resolve(request.response) : reject(request.status));
    request.onerror = reject;
    request.send();
  });
}

// Live: counters refresh in place, everything else waits for the chip.
const chip = $("#news");
let news = 0;
let waiting = null;
async function counters() {
  waiting = null;
  const fresh = await again().catch(() => null);
  if (!fresh) return;
  for (const place of all("[data-live]")) {
    const other = $(`[data-live="${place.dataset.live}"]`, fresh);
    if (!other || other.textContent === place.textContent) continue;
    place.replaceChildren(...[...other.childNodes].map((node) => document.adoptNode(node)));
    if (other.dataset.count !== undefined) place.dataset.count = other.dataset.count;
  }
}
async function show() {
  const fresh = await again().catch(() => null);
  const main = fresh && $("main", fresh);
  if (!main) return location.reload();
  $("main").replaceWith(document.adoptNode(main));
  news = 0;
  chip.hidden = true;
  times();
}
chip.addEventListener("click", show);
if ($("nav .viewer")) {
  new EventSource("/api/v1/stream").onmessage = (event) => {
    let kind = "";
    try { kind = JSON.parse(event.data).kind; } catch { return; }
    waiting ??= setTimeout(counters, 2000);
    // Reports come all the time: they move counters, but are no news.
    if (kind === "window" || kind === "state") return;
    news += 1;
    chip.textContent = `${news} new`;
    chip.hidden = false;
  };
}

// Buttons: post, say what was refused, show the page anew. Without script the form itself posts.
document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (form.dataset.command === undefined) return;
  event.preventDefault();
  if (form.dataset.confirm && !confirm(form.dataset.confirm)) return;
  const answer = await fetch(form.action, { method: "POST", headers: { accept: "application/json" } }).catch(() => null);
  if (answer?.ok) return show();
  const why = answer && (await answer.json().catch(() => null));
  alert(why ? [why.message, why.cure].filter(Boolean).join("\n") : "The server did not answer.");
});

// Keys.
const help = $("#help");
const keys = $("#keys");
help.hidden = false;
help.addEventListener("click", () => keys.showModal());
const places = { f: "/", m: "/models", r: "/rollouts", d: "/drift", a: "/alerts" };
let led = 0;
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea")) return;
  if (event.key === "g") { led = Date.now(); return; }
  if (Date.now() - led < 1500 && places[event.key]) { location.href = places[event.key]; return; }
  if (event.key === "?") keys.showModal();
  if (event.key === "n" && !chip.hidden) show();
  if (event.key === "/") { const field = $(".filter input, .filter select"); if (field) { event.preventDefault(); field.focus(); } }
});
