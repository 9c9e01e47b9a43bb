// Copying, also where the newer interface is withheld (a page that comes by plain http from another machine).
import { el, icon } from "./dom.js";
import { toast } from "./notices.js";
import { label, t } from "./strings.js";

export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = el("textarea", { class: "unseen", readonly: true });
    area.value = text;
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    if (!done) return toast(t("web.copy.refused"));
  }
  return toast(t("web.copy.done"));
}

export function copyButton(text) {
  const button = el("button", { type: "button", class: "tool small", on: { click: () => copy(text) } }, icon("copy"));
  label(button, t("web.copy"));
  return button;
}

export function codeBlock(text, language = "") {
  return el(
    "div",
    { class: "code" },
    language ? el("p", { class: "code-language" }, language) : null,
    el("pre", { tabindex: "0" }, el("code", {}, text)),
    copyButton(text),
  );
}
