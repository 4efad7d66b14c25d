// The pages of leads without this script: forms post and load the page again, and searching needs the button.
"use strict";

const SEARCH_MS = 250;
const main = document.getElementById("main");
const byId = (id) => document.getElementById(id);
const rows = () => [...document.querySelectorAll("[data-row]")];

let asked = 0; // of several answers only the last one counts

async function swap(address, options, { isSearch = false } = {}) {
  const mine = ++asked;
  let response;
  try {
    response = await fetch(address, { cache: "no-store", headers: { Accept: "text/html" }, ...options });
  } catch {
    location.reload(); // the browser says best that nobody answers
    return;
  }
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  if (mine !== asked) return;
  const fresh = page.getElementById("main");
  if (new URL(response.url).pathname === "/login") {
    location.assign(`/login?next=${encodeURIComponent(location.pathname + location.search)}`);
    return;
  }
  if (!fresh) { // too old a form: the page as it is now has a new one
    location.reload();
    return;
  }
  const before = document.activeElement?.id;
  const row = document.activeElement?.closest("[data-row]");
  const place = row ? rows().indexOf(row) : -1;
  if (isSearch) {
    byId("results").replaceWith(fresh.querySelector("#results"));
    fresh.querySelectorAll(".chip .count").forEach((count, index) => {
      document.querySelectorAll(".chip .count")[index].textContent = count.textContent;
    });
    document.querySelector(".tabs").replaceWith(fresh.querySelector(".tabs"));
    document.querySelector(".heading a.button").replaceWith(fresh.querySelector(".heading a.button"));
  } else {
    const said = fresh.querySelector("#said")?.textContent;
    main.replaceChildren(...fresh.childNodes);
    speak(said);
    // Where one was; else the next row that took its place, so that a list can be worked through.
    const there = (before && byId(before)) || rows()[Math.min(place, rows().length - 1)]?.querySelector("a");
    (byId("conflicts-heading") ? document.querySelector(".notice button") : there || main).focus();
  }
  document.title = page.title;
  if (response.ok) history.replaceState(null, "", new URL(response.url).pathname + new URL(response.url).search);
  prepare();
}

// A status region speaks when its text changes, not when it comes with a page.
function speak(text) {
  const said = byId("said");
  if (!said || !text) return;
  said.textContent = "";
  setTimeout(() => { said.textContent = text; }, 50);
}

function addressOf(form) {
  const given = [...new FormData(form)].filter(([name, value]) => value && !(name === "sort" && value === "last"));
  const query = new URLSearchParams(given).toString();
  return query ? `${form.action}?${query}` : form.action;
}

main.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.hasAttribute("data-swap")) {
    event.preventDefault();
    if (form.dataset.sent) return; // pressed twice
    form.dataset.sent = "yes";
    swap(form.action, { method: "POST", body: new URLSearchParams(new FormData(form)) });
  } else if (form.id === "filters") {
    event.preventDefault();
    swap(addressOf(form), {}, { isSearch: true });
  }
});

let waiting = 0;
main.addEventListener("input", (event) => {
  const form = event.target.form;
  if (form?.id === "filters") {
    clearTimeout(waiting);
    waiting = setTimeout(() => swap(addressOf(form), {}, { isSearch: true }), SEARCH_MS);
  } else if (event.target.matches("form.status select")) {
    offer(form);
  } else if (event.target.id === "all") {
    for (const box of document.querySelectorAll(".pick input")) box.checked = event.target.checked;
    count();
  } else if (event.target.matches(".pick input")) {
    count();
  }
});

// The button of a status is there when there is something to set.
function offer(form) {
  const select = form.querySelector("select");
  const isSame = [...select.options].find((option) => option.defaultSelected)?.value === select.value;
  form.querySelector("button").hidden = isSame;
}

function count() {
  const ticked = document.querySelectorAll(".pick input:checked").length;
  const node = byId("ticked");
  if (node) node.textContent = ticked ? `${ticked} ticked` : "";
}

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.matches("input:not([type=checkbox]), textarea, select")) {
    if (event.key === "Enter" && event.target.matches("form.status select")) {
      event.preventDefault();
      if (!event.target.form.querySelector("button").hidden) event.target.form.requestSubmit();
    }
    return;
  }
  const row = document.activeElement?.closest("[data-row]");
  const actions = {
    s: () => row?.querySelector("select")?.focus(),
    x: () => row?.querySelector(".pick input")?.click(),
  };
  if (!Object.hasOwn(actions, event.key)) return;
  event.preventDefault();
  actions[event.key]();
});

function prepare() {
  document.querySelectorAll("form.status").forEach(offer);
  const all = document.querySelector(".bulk .all");
  if (all) all.hidden = false;
  count();
}

prepare();
