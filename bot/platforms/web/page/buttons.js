// The buttons under a message: a press goes to the server and its answer comes back, a copy stays here.
import { copy } from "./clipboard.js";
import { el, uuid } from "./dom.js";
import { notice, toast } from "./notices.js";
import { t } from "./strings.js";

const PATIENCE = 30_000;

export class Presses {
  #connection;
  #waiting = new Map(); // Id of the press → how to end its wait.

  constructor(connection) {
    this.#connection = connection;
    connection.addEventListener("frame", ({ detail }) => {
      if (!("ack" in detail)) return;
      this.#waiting.get(detail.ack)?.();
      (detail.alert ? notice : toast)(detail.text);
    });
    connection.addEventListener("down", () => {
      for (const end of this.#waiting.values()) end();
    });
  }

  rows(rows, entry) {
    if (!rows?.length) return null;
    return el("div", { class: "buttons" }, rows.map((row) => el("div", { class: "row" }, row.map((one) => this.#button(one, entry)))));
  }

  #button({ label, token, copy: text, style }, entry) {
    const key = token ?? `copy:${label}`;
    const busy = [...this.#waiting.values()].some((end) => end.key === `${entry} ${key}`);
    const click = (event) => (token ? this.#press(event.currentTarget, token, entry) : copy(text));
    return el(
      "button",
      { type: "button", class: `action ${style}`, dataset: { key }, "aria-busy": busy ? "true" : null, on: { click } },
      label,
    );
  }

  #press(button, token, entry) {
    if (button.getAttribute("aria-busy") === "true") return;
    const id = uuid();
    if (!this.#connection.send({ press: token, entry, id })) {
      toast(t("web.error.offline"));
      return;
    }
    button.setAttribute("aria-busy", "true");
    const end = () => {
      clearTimeout(timer);
      this.#waiting.delete(id);
      // The message may have been drawn anew meanwhile.
      const selector = `[data-entry="${entry}"] [data-key="${CSS.escape(token)}"]`;
      for (const node of document.querySelectorAll(selector)) node.removeAttribute("aria-busy");
    };
    end.key = `${entry} ${token}`;
    const timer = setTimeout(end, PATIENCE);
    this.#waiting.set(id, end);
  }
}
