// Short words at the edge, words to be closed, and calls from behind another tab.
import { $, el, icon } from "./dom.js";
import { keep, recall } from "./storage.js";
import { label, onLanguage, t } from "./strings.js";

const SHOWN = 4_500;
const AT_ONCE = 3;

export function toast(text) {
  if (!text) return;
  const node = el("div", { class: "toast" }, text);
  $("toasts").append(node);
  while ($("toasts").childElementCount > AT_ONCE) $("toasts").firstElementChild.remove();
  setTimeout(() => node.remove(), SHOWN);
}

export function notice(text) {
  const dialog = $("notice");
  const close = el("button", { type: "button", class: "primary", on: { click: () => dialog.close() } }, t("web.notice.ok"));
  dialog.replaceChildren(el("p", { id: "notice-text" }, text), close);
  if (!dialog.open) dialog.showModal();
  close.focus();
}

export function announce(text) {
  if (!text) return;
  const region = $("announcer");
  region.append(el("p", {}, text));
  while (region.childElementCount > 5) region.firstElementChild.remove();
}

const TITLE = document.title;
let missed = 0;

const supported = () => "Notification" in window;
const wanted = () => supported() && Notification.permission === "granted" && recall("bell") === "on";

// Something that rings has arrived.
export function ring(text) {
  if (!document.hidden) return;
  missed += 1;
  document.title = `(${missed}) ${TITLE}`;
  if (!wanted()) return;
  const shown = new Notification(TITLE, { body: text, tag: "tuneteller" });
  shown.onclick = () => {
    window.focus();
    shown.close();
  };
}

export function setUpBell() {
  const button = $("bell");
  const show = () => {
    button.replaceChildren(icon(wanted() ? "bell" : "mute"));
    button.setAttribute("aria-pressed", String(wanted()));
    label(button, t("web.bell"));
  };
  button.hidden = !supported();
  button.addEventListener("click", async () => {
    if (wanted()) {
      keep("bell", "off");
    } else if ((await Notification.requestPermission()) === "granted") {
      keep("bell", "on");
      toast(t("web.bell.on"));
    } else {
      toast(t("web.bell.refused"));
    }
    show();
  });
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) return;
    missed = 0;
    document.title = TITLE;
  });
  onLanguage(show);
  show();
}
