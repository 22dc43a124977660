// The list of a folder as the server has it now, put in where it differs: what is checked stays checked, and what has
// the focus keeps it.

import { localise } from "./times.js";

// The browser parses the page itself: a string of HTML is what Trusted Types forbid.
export function fetched(address) {
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

// A row as it came, checked where the one is that it replaces.
export function renewed(old, row) {
  const now = document.adoptNode(row);
  localise(now);
  if (old?.querySelector("input[type=checkbox]")?.checked) now.querySelector("input[type=checkbox]").checked = true;
  return now;
}

// Puts a row in the place of another, and the focus where it was.
export function exchange(old, now) {
  const focused = old.contains(document.activeElement) && (document.activeElement.matches("input") ? "input" : "a");
  old.replaceWith(now);
  if (focused) now.querySelector(focused)?.focus({ preventScroll: true });
}

export function merge(list, fresh) {
  const known = new Map([...list.children].map((row) => [row.dataset.uid, row]));
  let place = list.firstElementChild;
  for (const row of [...fresh.children]) {
    const old = known.get(row.dataset.uid);
    known.delete(row.dataset.uid);
    let now = old;
    if (!old || old.dataset.modseq !== row.dataset.modseq) {
      now = renewed(old, row);
      if (old?.contains(document.activeElement)) {
        exchange(old, now);
        place = now.nextElementSibling;
        continue;
      }
      if (old) {
        if (old === place) place = old.nextElementSibling;
        old.remove();
      }
    }
    if (now === place) place = place.nextElementSibling;
    else list.insertBefore(now, place);
  }
  for (const gone of known.values()) gone.remove();
  list.dataset.modseq = fresh.dataset.modseq;
}

let coming = null;

// Asks for the page anew, once for all who ask meanwhile.
export function renew(parts) {
  coming ??= fetched(location.href).then(
    (page) => {
      coming = null;
      for (const [id, put] of parts) {
        const part = document.getElementById(id);
        const fresh = page.getElementById(id);
        if (part && fresh) put(part, fresh);
        else if (part || fresh) return location.reload(); // it became empty, or is so no longer
      }
    },
    () => (coming = null),
  );
  return coming;
}
