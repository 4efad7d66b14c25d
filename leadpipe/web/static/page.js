// The page without this script: the button posts a form, and the page loads itself again while a run goes on.
"use strict";

const PAGE = "/admin/sync";
const POLL_MS = 700;
const LOST_MS = 3000;
const LOOK_MS = 10000; // for runs that a schedule or somebody else has started
const OVERVIEW_MS = 60000;

const byId = (id) => document.getElementById(id);
const number = new Intl.NumberFormat("en-US");

async function fetched(address, options) {
  const response = await fetch(address, { cache: "no-store", ...options });
  if (response.redirected || response.status === 401) {
    location.assign(`/login?next=${PAGE}`); // the session is over
    throw new Error("logged out");
  }
  return response;
}

function setText(node, text) {
  if (node && node.textContent !== text) node.textContent = text;
}

// What stands between backticks, as code: `with_code.html` does the same.
function setWords(node, text) {
  node.replaceChildren(...text.split("`").map((part, number) => {
    if (number % 2 === 0) return part;
    const code = document.createElement("code");
    code.textContent = part;
    return code;
  }));
}

// How long ago something was, in the server's words; what is a month away keeps its day.

const UNITS = [[86400, "d"], [3600, "h"], [60, "min"]];

function showTimes() {
  for (const time of document.querySelectorAll("time.since")) {
    const seconds = (Date.now() - Date.parse(time.dateTime)) / 1000;
    const away = Math.abs(seconds);
    const [size, unit] = UNITS.find(([least]) => away >= least) ?? [];
    const span = `${Math.floor(away / size)} ${unit}`;
    if (!unit) setText(time, "just now");
    else if (away < 31 * 86400) setText(time, seconds > 0 ? `${span} ago` : `in ${span}`);
  }
}

// The runs: shown as the server draws them, asked for until they are over.

let following = 0;
let started = []; // the runs that are followed; empty: look for those under way

function runsOf(node) {
  return node.dataset.runs.split(" ").filter(Boolean);
}

function drawRuns(html) {
  const holder = byId("progress");
  if (holder.innerHTML !== html) {
    const link = holder.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
    holder.innerHTML = html;
    if (link) [...holder.querySelectorAll("a")].find((node) => node.getAttribute("href") === link)?.focus();
  }
  return holder.querySelector(".runs");
}

function tellOnce(state) {
  const alert = byId("problem");
  const below = byId("progress").querySelector(".runs > .problem");
  const isSame = !alert.hidden && below?.textContent === alert.textContent;
  if (below) below.hidden = isSame;
  if (isSame) alert.dataset.is = "lost";
  if (state !== "lost" && alert.dataset.is === "lost") alert.hidden = true; // Dagster is back
}

function setBusy(isBusy) {
  for (const button of byId("start").querySelectorAll("button")) {
    button.setAttribute("aria-disabled", String(isBusy)); // stays focusable, and says why it does nothing
  }
}

async function followRuns() {
  clearTimeout(following);
  let wait = LOST_MS;
  try {
    const query = new URLSearchParams(started.map((run) => ["run", run]));
    const response = await fetched(`${PAGE}/progress?${query}`);
    if (!response.ok) throw new Error(response.statusText);
    const html = await response.text();
    const before = byId("progress").querySelector(".runs");
    const probe = new DOMParser().parseFromString(html, "text/html").querySelector(".runs");
    const state = probe.dataset.state;
    // Nothing under way: what was shown last stays, so that a result can be read.
    const runs = state === "none" && before.dataset.state === "over" ? before : drawRuns(html);
    if (state !== "lost") setText(byId("said"), runs.dataset.said);
    tellOnce(state);
    setBusy(state === "running");
    if (state === "running") {
      started = runsOf(runs);
      wait = POLL_MS;
    } else if (state === "over") {
      if (started.length) await showOverview();
      started = [];
      wait = LOOK_MS;
    } else if (state === "none" || !started.length) {
      wait = LOOK_MS;
    }
  } catch {
    setText(byId("said"), "");
  }
  following = setTimeout(followRuns, document.hidden ? LOOK_MS : wait);
}

async function start(event) {
  event.preventDefault();
  const button = event.submitter;
  if (button.getAttribute("aria-disabled") === "true") return;
  const problem = byId("problem");
  problem.hidden = true;
  setBusy(true);
  setText(byId("said"), `${button.textContent} requested`);
  const label = button.textContent;
  button.textContent = "Starting…";
  try {
    const response = await fetched(PAGE, {
      method: "POST",
      headers: { Accept: "application/json" },
      body: new FormData(event.target, button),
    });
    const content = await response.json();
    if (!response.ok) throw new Error(content.error);
    started = content.runs;
    const query = new URLSearchParams(started.map((run) => ["run", run]));
    history.replaceState(null, "", `${PAGE}?${query}`);
    await followRuns();
    if (content.error) throw new Error(content.error); // a part of it did not start
  } catch (error) {
    problem.dataset.is = "refused";
    setWords(problem, error instanceof TypeError ? "leadpipe does not answer." : error.message);
    problem.hidden = false;
    tellOnce("lost");
    setBusy(Boolean(started.length));
  } finally {
    button.textContent = label;
  }
}

// Counts and charts, new after a run and now and then; opened tables stay open.

async function showOverview() {
  try {
    const response = await fetched(`${PAGE}/overview`);
    if (!response.ok) return;
    const overview = byId("overview");
    const fresh = document.createElement("div");
    fresh.innerHTML = await response.text();
    const details = overview.querySelectorAll("details");
    fresh.querySelectorAll("details").forEach((node, place) => {
      node.open = details[place]?.open ?? false;
    });
    if (overview.contains(document.activeElement)) return; // somebody reads or tabs there
    overview.replaceChildren(...fresh.childNodes);
    showTimes();
  } catch {
    // The next one comes in a minute.
  }
}

function wake() {
  if (!document.hidden) followRuns();
}

byId("start").addEventListener("submit", start);
document.addEventListener("visibilitychange", wake);
setInterval(() => document.hidden || showOverview(), OVERVIEW_MS);
setInterval(showTimes, 10000);
started = runsOf(byId("progress").querySelector(".runs"));
showTimes();
wake();
