// The button that names the other language, in that language.
import { $ } from "./dom.js";
import { label, language, onLanguage, setLanguage, t } from "./strings.js";

export function setUpLanguage(chosen = () => {}) {
  const button = $("language");
  const other = () => (language() === "zh" ? "en" : "zh");
  const show = () => {
    button.textContent = other() === "zh" ? "中文" : "EN";
    button.lang = other() === "zh" ? "zh-CN" : "en";
    label(button, t("web.language.switch"));
  };
  button.addEventListener("click", () => {
    setLanguage(other());
    chosen(language());
  });
  onLanguage(show);
  show();
}
