// Keys of a page: one that a thing names with `aria-keyshortcuts` presses it, or goes to it where one types in it;
// j and k go from row to row. Without this script all of it is reached with Tab.
"use strict";

(() => {
  const rows = () => [...document.querySelectorAll("[data-row]")];

  function move(step) {
    const all = rows();
    if (!all.length) return;
    const here = all.indexOf(document.activeElement?.closest("[data-row]"));
    const next = here < 0 ? (step > 0 ? 0 : all.length - 1) : Math.min(Math.max(here + step, 0), all.length - 1);
    (all[next].querySelector("[data-open]") ?? all[next].querySelector("a")).focus();
  }

  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.matches("input:not([type=checkbox]), textarea, select")) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    const step = { j: 1, k: -1 }[event.key];
    const named = [...document.querySelectorAll("[aria-keyshortcuts]")]
      .find((each) => each.getAttribute("aria-keyshortcuts") === event.key);
    if (!step && !named) return;
    event.preventDefault();
    if (step) move(step);
    else if (named.matches("input, textarea, select")) named.focus();
    else named.click();
  });
})();
