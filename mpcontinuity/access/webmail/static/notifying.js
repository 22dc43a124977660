// Asks the browser to tell of new mail, as the reader chooses; for this browser alone, so that nothing goes to the server.

import { choice, choose, show } from "./notify.js";

const form = document.getElementById("notifying");
const said = form.querySelector("[data-said]");
const user = document.getElementById("folders").dataset.user;

document.querySelector("[data-without]").hidden = true;
form.hidden = false;
for (const each of form.notify) each.checked = each.value === choice(user);

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const wanted = form.notify.value;
  said.textContent = "";
  if (wanted) {
    if (typeof Notification !== "function") return (said.textContent = form.dataset.cannot);
    if ((await Notification.requestPermission()) !== "granted") return (said.textContent = form.dataset.refused);
    if (!show(form.dataset.example, "")) return (said.textContent = form.dataset.cannot);
  }
  choose(user, wanted);
  said.textContent = form.dataset.saved;
});
