// Keeps a part of a page as the server has it now: <div id="rows" data-live="5"> is asked for again every 5 seconds, by
// the address of the page, while the page is seen. A button, which this module adds, stops and resumes that. Nothing
// is exchanged under a reader's hands: not while the part has the focus, something in it is chosen, or
// text in it is selected.

const LEAST = 2; // s: below that a page would be asked for faster than the server has news
const PATIENCE = 8; // failures in a row; then it stops

// The browser parses the page itself: a string of HTML is what Trusted Types forbid.
function fetched(address) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("GET", address);
    request.responseType = "document";
    request.timeout = 20000;
    request.onload = () => (request.status === 200 && request.response ? resolve(request.response) : reject());
    request.onerror = request.ontimeout = reject;
    request.send();
  });
}

function busy(part) {
  const selected = getSelection();
  const open = part.querySelector("details[open]");
  return (
    document.hidden || open || part.querySelector("input:checked") || part.contains(document.activeElement) ||
    (!selected.isCollapsed && part.contains(selected.anchorNode))
  );
}

function keep(part) {
  const every = Math.max(Number(part.dataset.live) || LEAST, LEAST) * 1000;
  const button = document.createElement("button");
  button.type = "button";
  button.className = "quiet live";
  let runs = true;
  let failures = 0;
  const say = () => {
    button.textContent = runs ? (part.dataset.pause ?? "Pause live view") : (part.dataset.resume ?? "Resume live view");
    part.toggleAttribute("data-paused", !runs);
  };
  button.addEventListener("click", () => {
    runs = !runs;
    failures = 0;
    say();
    if (runs) again();
  });
  part.before(button);
  const step = async () => {
    if (!runs) return;
    if (!busy(part)) {
      try {
        const page = await fetched(location.href);
        const now = page.getElementById(part.id);
        if (!now) throw new Error("signed out");
        if (!busy(part)) {
          part.replaceChildren(...[...now.childNodes].map((node) => document.adoptNode(node)));
          if (!("live" in now.dataset)) {
            button.remove(); // it is done: nothing is live any more
            return;
          }
        }
        failures = 0;
      } catch {
        failures += 1;
        runs = failures < PATIENCE;
        say();
      }
    }
    again();
  };
  const again = () => runs && setTimeout(step, every * 2 ** Math.min(failures, 4));
  say();
  again();
}

for (const part of document.querySelectorAll("[data-live][id]")) keep(part);
