// Keys, as mail programs on the web have them: those of links and buttons stand in the page (data-key), and ? shows them all.
// None works while somebody types, nor together with Ctrl, Alt or Meta.

const sheet = document.getElementById("keys");

function rows() {
  return [...document.querySelectorAll("#messages > .message")];
}

function at() {
  return document.activeElement?.closest?.("#messages > .message");
}

function step(by) {
  const all = rows();
  const place = all.indexOf(at());
  const seen = () => all.findIndex((row) => row.getBoundingClientRect().top >= 0);
  const next = all[place < 0 ? Math.max(seen(), 0) : place + by];
  next?.querySelector("a")?.focus();
}

function follow(selector) {
  const link = document.querySelector(selector);
  if (link) location.assign(link.href);
}

const KEYS = {
  j: () => step(1),
  k: () => step(-1),
  x: () => at()?.querySelector("input[type=checkbox]")?.click(),
  o: () => at()?.querySelector("a")?.click(),
  u: () => follow("a[data-back]"),
  g: () => follow("#folders a[data-folder]"),
  "?": () => sheet?.showModal?.(),
};

function typing(element) {
  return element?.matches?.("input:not([type=checkbox]), textarea, select, [contenteditable], iframe");
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || event.defaultPrevented || typing(event.target)) return;
  if (document.querySelector("dialog[open]")) return;
  const key = document.querySelector(`[data-key="${CSS.escape(event.key)}"]`);
  if (key) {
    event.preventDefault();
    const box = key.closest("#chosen") && at()?.querySelector("input[type=checkbox]");
    if (box && !document.querySelector("#chosen.some, #messages input:checked")) box.checked = true;
    if (key.matches("input")) key.focus();
    else key.click();
  } else if (Object.hasOwn(KEYS, event.key)) {
    event.preventDefault();
    KEYS[event.key]();
  }
});

for (const opener of document.querySelectorAll("button[data-keys]")) {
  opener.hidden = !sheet;
  opener.addEventListener("click", () => sheet.showModal());
}
