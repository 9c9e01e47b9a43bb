// Runs before the first paint, so that nobody sees a flash of the other theme.
(() => {
  let theme = null;
  try {
    theme = localStorage.getItem("tuneteller.theme");
  } catch {
    // Storage is switched off: the system's theme is shown.
  }
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
})();
