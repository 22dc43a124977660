// Keys, as mail programs on the web have them: those of buttons stand in the page (data-key), and ? shows them all.
// None works while somebody types, nor together with Ctrl, Alt or Meta.

const list = document.getElementById("messages");
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
  const next = all[place < 0 ? (by > 0 ? 0 : all.length - 1) : place + by];
  next?.querySelector("a")?.focus();
}

function follow(selector) {
  const link = document.querySelector(selector);
  if (link) location.assign(link.href);
}

const KEYS = {
  j: () => (list ? step(1) : follow("a[data-older]")),
  k: () => (list ? step(-1) : follow("a[data-newer]")),
  x: () => at()?.querySelector("input[type=checkbox]")?.click(),
  o: () => at()?.querySelector("a")?.click(),
  u: () => follow("a[data-back]"),
  c: () => follow("a[data-write]"),
  r: () => follow("a[data-reply]"),
  a: () => follow("a[data-reply-all]"),
  f: () => follow("a[data-forward]"),
  g: () => follow("#folders a[data-folder]"),
  "/": () => document.querySelector("input[type=search]")?.focus() ?? follow("a[data-search]"),
  "?": () => sheet?.showModal?.(),
};

function typing(element) {
  return element?.matches?.("input:not([type=checkbox]), textarea, select, [contenteditable], iframe");
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || event.defaultPrevented || typing(event.target)) return;
  if (document.querySelector("dialog[open]")) return;
  const button = document.querySelector(`button[data-key="${CSS.escape(event.key)}"]`);
  if (button) {
    const row = at();
    const box = row?.querySelector("input[type=checkbox]");
    if (box && !document.querySelector("#messages input:checked")) box.checked = true;
    event.preventDefault();
    button.click();
  } else if (Object.hasOwn(KEYS, event.key)) {
    event.preventDefault();
    KEYS[event.key]();
  }
});

for (const opener of document.querySelectorAll("button[data-keys]")) {
  opener.hidden = !sheet;
  opener.addEventListener("click", () => sheet.showModal());
}
