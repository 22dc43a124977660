// Copies what a page shows: <button type="button" data-copy="ID" hidden>Copy</button>, ID being the element that holds
// the text. The buttons are hidden in the page, since without JavaScript they do nothing.

const SHOWN_FOR = 2000; // ms

for (const button of document.querySelectorAll("button[data-copy]")) {
  if (!navigator.clipboard) break; // no secure context
  const label = button.textContent;
  button.hidden = false;
  button.setAttribute("aria-live", "polite");
  button.addEventListener("click", async () => {
    const holder = document.getElementById(button.dataset.copy);
    try {
      await navigator.clipboard.writeText(holder.value ?? holder.textContent.trim());
      button.textContent = button.dataset.copied ?? "Copied";
    } catch {
      button.textContent = button.dataset.byHand ?? "Select it and copy";
    }
    setTimeout(() => (button.textContent = label), SHOWN_FOR);
  });
}
