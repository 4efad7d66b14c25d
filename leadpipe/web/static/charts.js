// The values of charts, in a note beside the point: under the mouse, at a touch, and with the arrow keys. Without
// this script a point has its title, and each chart is also a table.
"use strict";

(() => {
  const note = document.createElement("div");
  note.className = "value-note";
  note.setAttribute("aria-hidden", "true"); // it says what the point's own name says
  note.hidden = true;
  let shown = null;

  const pointAt = (target) => (target instanceof Element ? target.closest(".chart .point") : null);

  function show(point) {
    if (point === shown && !note.hidden) return;
    shown = point;
    point.querySelector("title")?.remove(); // else the browser shows a second note
    const [label, ...rest] = point.getAttribute("aria-label").split(": ");
    const head = document.createElement("strong");
    head.textContent = label;
    const lines = rest.join(": ").split(", ").map((text) => {
      const line = document.createElement("span");
      line.textContent = text;
      return line;
    });
    note.replaceChildren(head, ...lines);
    if (!note.isConnected) document.body.append(note);
    note.hidden = false;
    const place = point.querySelector(".hit").getBoundingClientRect();
    const wide = document.documentElement.clientWidth;
    const left = place.left + place.width / 2 - note.offsetWidth / 2;
    const top = place.top - note.offsetHeight - 6;
    note.style.left = `${Math.min(Math.max(left, 8), wide - note.offsetWidth - 8)}px`;
    note.style.top = `${top < 4 ? place.bottom + 6 : top}px`;
  }

  function hide() {
    note.hidden = true;
    shown = null;
  }

  function move(point, event) {
    const points = [...point.closest(".chart").querySelectorAll(".point")];
    const at = points.indexOf(point);
    const next = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: points.length - 1 }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    const chosen = points[Math.min(Math.max(next, 0), points.length - 1)];
    for (const each of points) each.setAttribute("tabindex", each === chosen ? "0" : "-1");
    chosen.focus();
  }

  document.addEventListener("pointerover", (event) => {
    const point = pointAt(event.target);
    if (point) show(point);
    else if (event.pointerType === "mouse" && !pointAt(document.activeElement)) hide();
  });
  document.addEventListener("pointerdown", (event) => {
    if (!pointAt(event.target)) hide();
  });
  document.addEventListener("focusin", (event) => {
    const point = pointAt(event.target);
    if (point) show(point);
    else hide();
  });
  document.addEventListener("focusout", hide);
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") hide();
    const point = pointAt(event.target);
    if (point) move(point, event);
  });
  document.addEventListener("scroll", hide, { passive: true, capture: true });
})();
