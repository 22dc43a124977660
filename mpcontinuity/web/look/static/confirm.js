// Asks before a form is sent that cannot be undone: <form data-confirm="Remove 12 users?">. Without JavaScript the form
// is sent at once, so what it does is said above its button as well.

function ask(question, answer) {
  const dialog = document.createElement("dialog");
  const text = document.createElement("p");
  text.id = "confirm-question";
  text.textContent = question;
  dialog.setAttribute("aria-labelledby", text.id);
  const choices = document.createElement("form");
  choices.method = "dialog";
  choices.className = "actions";
  for (const [value, label, kind] of [["no", document.body.dataset.cancel, "quiet"], ["yes", answer, "danger"]]) {
    const button = document.createElement("button");
    button.value = value;
    button.textContent = label;
    button.className = kind;
    choices.append(button);
  }
  dialog.append(text, choices);
  document.body.append(dialog);
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes");
    });
    dialog.showModal();
  });
}

document.addEventListener("submit", async (event) => {
  const form = event.target;
  const button = event.submitter;
  const question = button?.dataset.confirm ?? form.dataset.confirm;
  if (!question || form.dataset.confirmed) return;
  event.preventDefault();
  if (await ask(question, button?.textContent.trim() || document.body.dataset.yes)) {
    form.dataset.confirmed = "yes";
    form.requestSubmit(button);
  } else {
    button?.focus();
  }
});
