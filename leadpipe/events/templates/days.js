// The strip of days: what a cell says, under the mouse, at a touch and with the arrow keys. Without this script
// each cell leads to the day's page, and the strip is also a table.
"use strict";

(() => {
  const STEPS = { ArrowUp: -1, ArrowDown: 1, ArrowLeft: -7, ArrowRight: 7 };
  const dayAt = (target) => (target instanceof Element ? target.closest("a.day") : null);
  let shown = null;
  let isTouched = false;

  function show(cell) {
    if (cell === shown) return;
    shown = cell;
    const [head, todo] = cell.closest(".strip").querySelector(".said").children;
    head.textContent = cell.getAttribute("aria-label");
    todo.textContent = cell.dataset.todo ?? "";
  }

  document.addEventListener("pointerover", (event) => {
    const cell = event.pointerType === "mouse" && dayAt(event.target);
    if (cell) show(cell);
  });
  document.addEventListener("pointerdown", (event) => {
    isTouched = event.pointerType !== "mouse";
  });
  document.addEventListener("click", (event) => {
    const cell = dayAt(event.target);
    if (!cell || !isTouched || cell === shown) return; // the second touch follows the link
    event.preventDefault();
    show(cell);
  });
  document.addEventListener("focusin", (event) => {
    const cell = dayAt(event.target);
    if (cell && cell.matches(":focus-visible")) show(cell);
  });
  document.addEventListener("keydown", (event) => {
    const cell = dayAt(event.target);
    if (!cell || event.altKey || event.ctrlKey || event.metaKey) return;
    const cells = [...cell.closest(".cells").querySelectorAll("a.day")];
    const at = cells.indexOf(cell);
    const next = { Home: 0, End: cells.length - 1 }[event.key] ?? at + (STEPS[event.key] ?? NaN);
    if (Number.isNaN(next)) return;
    event.preventDefault();
    cells[next]?.focus();
  });
})();
