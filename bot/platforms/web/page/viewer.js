// A picture as large as the window.
import { $, el, icon } from "./dom.js";
import { label, t } from "./strings.js";

export function view(source, alt, name) {
  const dialog = $("viewer");
  const close = el("button", { type: "button", class: "tool", on: { click: () => dialog.close() } }, icon("close"));
  label(close, t("web.picture.close"));
  const save = el("a", { class: "tool", href: source, download: name }, icon("save"));
  label(save, t("web.picture.save"));
  save.title = t("web.picture.save");
  dialog.replaceChildren(el("div", { class: "viewer-tools" }, save, close), el("img", { src: source, alt }));
  dialog.onclick = (event) => event.target === dialog && dialog.close();
  dialog.showModal();
}
