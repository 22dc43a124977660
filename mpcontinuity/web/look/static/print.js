// <button type="button" data-print hidden>Print</button> prints the page. Without JavaScript the browser's menu does.

for (const button of document.querySelectorAll("button[data-print]")) {
  button.hidden = false;
  button.addEventListener("click", () => print());
}
