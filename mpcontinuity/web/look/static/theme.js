// Light or dark as the reader says, beside what the system says. It is loaded in the head and at once, not as a module,
// so that no page is seen in the other colours first.

(() => {
  const KEY = "theme";
  const root = document.documentElement;
  const kept = () => {
    try {
      return localStorage.getItem(KEY);
    } catch {
      return null; // storage is forbidden: the system's choice holds
    }
  };
  const theme = kept();
  if (theme === "light" || theme === "dark") root.dataset.theme = theme;
  document.addEventListener("DOMContentLoaded", () => {
    for (const button of document.querySelectorAll("button[data-theme-switch]")) {
      const dark = () =>
        root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
      const say = () => (button.textContent = dark() ? button.dataset.light : button.dataset.dark);
      button.hidden = false;
      say();
      button.addEventListener("click", () => {
        root.dataset.theme = dark() ? "light" : "dark";
        try {
          localStorage.setItem(KEY, root.dataset.theme);
        } catch {
          // it holds for this page
        }
        say();
      });
    }
  });
})();
