// What an empty conversation shows.
import { $, el, icon } from "./dom.js";
import { onLanguage, t } from "./strings.js";

export function setUpWelcome(say) {
  const panel = $("welcome");
  const draw = () => {
    const choose = el("button", { type: "button", class: "action normal", on: { click: () => $("files").click() } }, t("web.upload.choose"));
    const sample = el("button", { type: "button", class: "action primary", on: { click: () => say("/sample") } }, t("web.welcome.sample"));
    panel.replaceChildren(
      el("div", { class: "sky", "aria-hidden": "true" }, icon("spark"), icon("spark"), icon("spark")),
      el("h2", {}, t("web.welcome.title")),
      el("p", {}, t("web.welcome.lead")),
      el("ol", { class: "steps" }, ["drop", "train", "talk"].map((step) => el("li", {}, t(`web.welcome.${step}`)))),
      el("div", { class: "row" }, sample, choose),
      el("p", { class: "hint" }, t("web.welcome.play")),
    );
  };
  onLanguage(draw);
  draw();
  return (empty) => (panel.hidden = !empty);
}
