// What every page of webmail does in a browser with JavaScript, beyond what it does without.

import { listen } from "./events.js";
import { merge, renew } from "./list.js";
import { expire, forgetAll } from "./letters.js";
import { localise } from "./times.js";
import { ListWindow } from "./window.js";
import "./keys.js";

const list = document.getElementById("messages");
const title = document.title;

function replace(part, fresh) {
  part.replaceChildren(...[...fresh.childNodes].map((node) => document.adoptNode(node)));
}

// The title says how many messages are unread in the folder that is open, else in the inbox.
function entitle() {
  const links = document.querySelectorAll("#folders a[data-folder]");
  const shown = document.querySelector("#folders a[data-folder][aria-current]") ?? links[0];
  const unread = Number(shown?.querySelector(".count")?.dataset.unread ?? 0);
  document.title = unread ? `(${unread}) ${title}` : title;
}

function count({ mailbox, unseen }) {
  const link = document.querySelector(`#folders a[data-folder="${mailbox}"]`);
  const shown = link?.querySelector(".count");
  if (!shown) return;
  shown.dataset.unread = unseen;
  shown.hidden = !unseen;
  shown.lastChild.textContent = unseen;
}

function put(line, pieces) {
  if (line.dataset.pieces === JSON.stringify(pieces)) return;
  line.dataset.pieces = JSON.stringify(pieces);
  line.replaceChildren(
    ...pieces.map(({ text, at }) => {
      if (!at) return text;
      const time = document.createElement("time");
      time.dateTime = at;
      time.dataset.full = "";
      time.textContent = text;
      return time;
    }),
  );
  localise(line);
}

function say({ first, rest, kind }) {
  const aside = document.getElementById("sentence");
  if (!aside) return;
  const more = aside.querySelector("details");
  put(aside.querySelector(".said > p"), first);
  put(more.querySelector("p"), rest);
  more.hidden = !rest.length;
  aside.className = `sentence ${kind || "quiet"}`;
  aside.hidden = !first.length && !aside.querySelector("form");
}

function ended() {
  const notice = document.getElementById("signed-out");
  if (notice) notice.hidden = false;
}

// Where the reader has asked for notifications.
function notifying() {
  try {
    return localStorage.getItem(`notify:${document.getElementById("folders")?.dataset.user}`) ? import("./notify.js") : null;
  } catch {
    return null; // storage is forbidden
  }
}
const notices = notifying();
const inbox = document.querySelector("#folders a[data-folder]");
const begin = { uidnext: Number(inbox?.dataset.uidnext), unseen: Number(inbox?.querySelector(".count").dataset.unread) };

function hear(name, data, leading) {
  if (name === "continuity") say(data);
  else if (name === "ended") ended();
  else if (name === "folders") renew([["folders", replace]]).then(entitle);
  else {
    count(data);
    entitle();
    notices?.then(({ arrived }) => arrived(data, leading === true, begin));
    const shows = list && Number(list.dataset.folder) === data.mailbox;
    if (shows && Number(list.dataset.modseq) < data.modseq) view ? view.renew() : renew([["messages", merge]]);
    else if (!list && document.querySelector(`[data-empty="${data.mailbox}"]`) && data.messages) location.reload();
  }
}

localise(document);
const view = list?.dataset.window ? new ListWindow(list) : null;
document.querySelector("footer [data-zone]")?.setAttribute("hidden", ""); // times are by the reader's own clock now
entitle();
if (document.getElementById("folders") && typeof EventSource === "function") listen(hear);

// From a message back to the list as it was: narrowed, or by conversations.
const back = document.querySelector("a[data-back]");
const before = document.referrer ? new URL(document.referrer) : null;
if (back && before?.origin === location.origin && ["/", back.pathname].includes(before.pathname)) back.href = before.href;

expire();

// Who logs out leaves no letter behind in this browser, whichever button it is.
for (const form of document.querySelectorAll('form[action="/logout"]')) form.addEventListener("submit", forgetAll);
