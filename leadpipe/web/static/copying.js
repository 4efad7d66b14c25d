// Buttons that copy a text; without this script there are none, and the text can be marked.
"use strict";

const SAID_MS = 2000;

async function copy(button) {
  const text = document.getElementById(button.dataset.copies);
  let said = "Copied";
  try {
    await navigator.clipboard.writeText(text.textContent);
  } catch {
    getSelection().selectAllChildren(text); // a browser that lets nobody copy: Ctrl-C does
    said = "Marked";
  }
  button.textContent = said;
  setTimeout(() => { button.textContent = "Copy"; }, SAID_MS);
}

for (const button of document.querySelectorAll("button.copy")) {
  button.hidden = false;
  button.addEventListener("click", () => copy(button));
}
