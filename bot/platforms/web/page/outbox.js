// What the person wrote and the server has not yet confirmed. Survives a reload of this tab.
import { config } from "./config.js";
import { $, el, uuid } from "./dom.js";
import { keep, recall } from "./storage.js";
import { t } from "./strings.js";

export class Outbox {
  #items;
  #connection;
  #key;
  #shown = new Set(); // Ids whose entry is in the timeline already.

  constructor(connection, account) {
    this.#connection = connection;
    this.#key = `outbox.${account}`;
    this.#items = this.#load();
    connection.addEventListener("up", () => this.#sendAll());
    connection.addEventListener("down", () => this.show());
    connection.addEventListener("frame", ({ detail }) => {
      if ("accepted" in detail) this.#settle(detail.accepted);
      if ("failed" in detail) this.#fail(detail.failed, detail.text);
    });
    this.show();
  }

  say(text, silent = false) {
    const item = { id: uuid(), text, silent };
    this.#items.push(item);
    this.#save();
    this.#send(item);
    this.show();
  }

  // The entry of one of our messages is in the timeline.
  arrived(id) {
    if (!this.#items.some((item) => item.id === id)) return;
    this.#shown.add(id);
    this.show();
  }

  clear() {
    this.#items = [];
    this.#save();
  }

  #send(item) {
    // The server cuts the line at a frame that is far too long, and the page would send it again with the next one.
    if (item.text.length > config.longestText) {
      item.error = t("web.message.too_long", { limit: config.longestText });
      this.#save();
      return;
    }
    const frame = { send: item.text, id: item.id };
    if (item.silent) frame.silent = true;
    this.#connection.send(frame);
  }

  #sendAll() {
    for (const item of this.#items) if (!item.error) this.#send(item);
    this.show();
  }

  #settle(id) {
    this.#items = this.#items.filter((item) => item.id !== id);
    this.#shown.delete(id);
    this.#save();
    this.show();
  }

  #fail(id, text) {
    const item = this.#items.find((one) => one.id === id);
    if (!item) return;
    item.error = text;
    this.#save();
    this.show();
  }

  show() {
    $("pending").replaceChildren(
      ...this.#items.filter((item) => !item.silent && (item.error || !this.#shown.has(item.id))).map((item) => this.#node(item)),
    );
  }

  #node(item) {
    const said = this.#shown.has(item.id) ? null : el("div", { class: "bubble" }, el("p", { class: "said" }, item.text));
    const waiting = this.#connection.open ? t("web.message.sending") : t("web.message.waiting");
    const line = el("p", { class: item.error ? "fate error" : "fate", role: item.error ? "alert" : null }, item.error ?? waiting);
    if (item.error) {
      const again = () => {
        delete item.error;
        this.#send(item);
        this.show();
      };
      line.append(
        el("button", { type: "button", class: "link", on: { click: again } }, t("web.message.again")),
        el("button", { type: "button", class: "link", on: { click: () => this.#settle(item.id) } }, t("web.message.discard")),
      );
    }
    return el("li", { class: "entry person unsent" }, said, line);
  }

  #load() {
    try {
      return JSON.parse(recall(this.#key, "sessionStorage") ?? "[]");
    } catch {
      return [];
    }
  }

  #save() {
    keep(this.#key, this.#items.length ? JSON.stringify(this.#items) : null, "sessionStorage");
  }
}
