// Light, dark, or as the system has it.
import { $, icon } from "./dom.js";
import { keep, recall } from "./storage.js";
import { label, onLanguage, t } from "./strings.js";

const ORDER = ["auto", "light", "dark"];
const ICON = { auto: "auto", light: "sun", dark: "moon" };

export function setUpTheme() {
  const button = $("theme");
  let theme = ORDER.includes(recall("theme")) ? recall("theme") : "auto";
  const show = () => {
    if (theme === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    button.replaceChildren(icon(ICON[theme]));
    label(button, t(`web.theme.${theme}`));
  };
  button.addEventListener("click", () => {
    theme = ORDER[(ORDER.indexOf(theme) + 1) % ORDER.length];
    keep("theme", theme);
    show();
  });
  onLanguage(show);
  show();
}
