// Counts down until a message leaves. What the server has taken needs no copy in this browser any more.

import { drop } from "./letters.js";

const each = document.querySelectorAll("[data-leaves]");
for (const section of each) drop(section.dataset.user, section.dataset.draft);
if (each.length) {
  const begun = Date.now();
  const tick = () => {
    let left = 0;
    for (const section of each) {
      const seconds = Math.ceil(Number(section.dataset.leaves) - (Date.now() - begun) / 1000);
      section.querySelector("[data-seconds]").textContent = String(Math.max(seconds, 0));
      left = Math.max(left, seconds);
    }
    if (left > 0) setTimeout(tick, 250);
    else setTimeout(() => location.assign("/outbox"), 1500);
  };
  tick();
}
