// Tells by the reader's system that mail has come to the inbox, where they have asked for that: of the tabs of a browser
// the one that has the stream of news does, and only while none of them is looked at.

import { fetched } from "./list.js";

const LOOKED_AT = "mail-looked-at"; // a lock that a tab holds, with others, while somebody looks at it
const NAMED = 3; // messages that one notification names

export function choice(user) {
  try {
    return localStorage.getItem(`notify:${user}`) ?? "";
  } catch {
    return ""; // storage is forbidden
  }
}

export function choose(user, wanted) {
  if (wanted) localStorage.setItem(`notify:${user}`, wanted);
  else localStorage.removeItem(`notify:${user}`);
}

// Whether that was possible: some browsers of telephones have notifications for service workers alone.
export function show(title, body, clicked = () => {}) {
  try {
    const notice = new Notification(title, { body, tag: "mail", renotify: true, icon: document.querySelector('link[rel="icon"]').href });
    notice.onclick = () => {
      notice.close();
      clicked();
    };
    return true;
  } catch {
    return false;
  }
}

let release = null;

function look() {
  if (release || !document.hasFocus()) return;
  release = () => {};
  navigator.locks.request(LOOKED_AT, { mode: "shared" }, () => new Promise((done) => (release = done)));
}

function lookAway() {
  release?.();
  release = null;
}

async function isLookedAt() {
  return (await navigator.locks.query()).held.some((lock) => lock.name === LOOKED_AT);
}

async function named(inbox, count) {
  const page = await fetched(`/mail/${inbox.dataset.folder}/rows?from=0&count=${count}`);
  return [...page.querySelectorAll("#messages > .message")].map((row) => [
    row.querySelector(".who").textContent.trim(),
    row.querySelector("a").textContent.trim(),
  ]);
}

async function tell(inbox, count) {
  const nav = document.getElementById("folders");
  const wanted = choice(nav.dataset.user);
  if (!wanted || Notification.permission !== "granted" || (await isLookedAt())) return;
  let title = nav.dataset.notice.replace("{}", count);
  let body = "";
  if (wanted === "subject") {
    const found = await named(inbox, Math.min(count, NAMED)).catch(() => []);
    if (count === 1 && found.length) [[title, body]] = found;
    else body = found.map((each) => each.join(": ")).join("\n");
  }
  show(title, body, () => {
    focus();
    location.assign(inbox.href);
  });
}

let before = null; // how the inbox was; every tab hears of it, and so knows it when its turn comes

// `shown` is how it was when the page was made.
export function arrived(now, leading, shown) {
  const inbox = document.querySelector("#folders a[data-folder]");
  if (Number(inbox?.dataset.folder) !== now.mailbox) return;
  before ??= shown;
  const came = Math.min(now.uidnext - before.uidnext, now.unseen - before.unseen);
  before = now;
  if (leading && came > 0) tell(inbox, came);
}

if (navigator.locks) {
  addEventListener("focus", look);
  addEventListener("blur", lookAway);
  look();
}
