// The conversation: entries in order of their ids, a bounded number of them, history on the way up.
import { $, el, icon } from "./dom.js";
import { Item } from "./entry.js";
import { announce, ring } from "./notices.js";
import { onLanguage, t } from "./strings.js";

const KEPT = 200; // While the person is at the bottom.
const MOST = 800; // While they read history; beyond it the newest are let go.
const BY_HAND = 1500; // Milliseconds in which a scroll follows from what the person did (wheels and flings run on).
const NEAR = 60; // Pixels from an edge that still count as being there.

export class Timeline {
  #items = new Map();
  #order = []; // Ids, ascending.
  #previews = new Map();
  #connection;
  #tools;
  #scroller = $("scroller");
  #list = $("timeline");
  #stick = true;
  #more = false;
  #loading = true;
  #top = 0;
  #detached = false;
  #touched = 0;
  #frame = 0;
  #empty;

  constructor(connection, tools, empty) {
    this.#connection = connection;
    this.#empty = empty;
    this.#tools = { ...tools, find: (id) => this.#items.get(id), show: (id) => this.#show(id) };
    this.#scroller.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    for (const kind of ["wheel", "touchmove", "pointerdown", "keydown"]) {
      window.addEventListener(kind, (event) => this.#hand(event), { passive: true, capture: true });
    }
    new ResizeObserver(() => this.#stick && this.#toBottom()).observe(this.#list.parentElement);
    new ResizeObserver(() => this.#stick && this.#toBottom()).observe(this.#scroller);
    $("newer").addEventListener("click", () => this.#latest());
    connection.addEventListener("frame", ({ detail }) => this.#take(detail));
    connection.addEventListener("down", () => (this.#loading = false));
    onLanguage(() => {
      for (const item of this.#items.values()) item.draw();
      this.#label();
    });
    this.#label();
  }

  get newest() {
    return this.#order[this.#order.length - 1] ?? 0;
  }

  toBottom() {
    this.#stick = true;
    this.#toBottom();
  }

  #take(frame) {
    if ("history" in frame) this.#history(frame);
    else if ("entries" in frame) for (const entry of frame.entries) this.#entry(entry);
    else if ("preview" in frame) this.#preview(frame.preview);
    else return;
    this.#bound();
    this.#empty(this.#order.length === 0);
  }

  #history({ history, before, more }) {
    this.#loading = false;
    if (before === null) this.#clear();
    const height = this.#scroller.scrollHeight;
    for (const entry of history) this.#put(entry);
    this.#more = more;
    this.#label();
    if (before === null) this.toBottom();
    else this.#scroller.scrollTop += this.#scroller.scrollHeight - height;
  }

  #entry(entry) {
    const known = this.#items.get(entry.id);
    this.#previews.delete(entry.id);
    if (known) {
      const unfinished = known.body.kind === "answer" && known.body.state !== "done";
      const renamed = known.body.title !== entry.body.title;
      if (entry.revision <= known.entry.revision) return;
      known.update(entry);
      if ((unfinished && entry.body.state === "done") || (entry.body.kind === "card" && renamed)) announce(known.text());
      return;
    }
    // Older than what is shown: it comes with its page of history. Newer than a window let go: with the way down.
    if (this.#more && entry.id < (this.#order[0] ?? 0)) return;
    if (this.#detached) return this.#unread();
    const item = this.#put(entry);
    if (entry.author === "bot") {
      if (entry.body.kind !== "answer" || entry.body.state === "done") announce(item.text());
      if (entry.body.rings) ring(item.text());
    }
    if (!this.#stick) this.#unread();
  }

  #put(entry) {
    this.#tools.arrived(entry);
    const known = this.#items.get(entry.id);
    if (known) {
      known.update(entry);
      return known;
    }
    const item = new Item(entry, this.#tools);
    let place = this.#order.length;
    while (place > 0 && this.#order[place - 1] > entry.id) place -= 1;
    const next = this.#items.get(this.#order[place]);
    this.#list.insertBefore(item.node, next?.node ?? null);
    this.#order.splice(place, 0, entry.id);
    this.#items.set(entry.id, item);
    return item;
  }

  // Many previews may come between two paints; only the last of each message is drawn.
  #preview({ id, body }) {
    this.#previews.set(id, body);
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      for (const [entry, newest] of this.#previews) this.#items.get(entry)?.preview(newest);
      this.#previews.clear();
    });
  }

  #bound() {
    if (this.#stick) {
      while (this.#order.length > KEPT) {
        this.#remove(this.#order.shift());
        this.#more = true;
      }
    } else {
      while (this.#order.length > MOST) {
        this.#remove(this.#order.pop());
        this.#detached = true;
        this.#unread();
      }
    }
    this.#label();
  }

  #remove(id) {
    this.#items.get(id).node.remove();
    this.#items.delete(id);
  }

  #clear() {
    for (const item of this.#items.values()) item.node.remove();
    this.#items.clear();
    this.#order = [];
    this.#previews.clear();
    this.#detached = false;
  }

  #latest() {
    if (this.#detached) this.#connection.send({ since: null });
    else this.toBottom();
  }

  #hand(event) {
    // A press on the scroller itself is one on its scroll bar.
    if (event.type === "pointerdown" && event.target !== this.#scroller) return;
    if (event.type === "keydown" && !["ArrowUp", "PageUp", "Home", " "].includes(event.key)) return;
    this.#touched = performance.now();
  }

  #scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.#scroller;
    const near = scrollHeight - scrollTop - clientHeight < NEAR;
    // Only a person scrolls up. What is drawn anew may shrink and grow between two of these events, which looks the same.
    const byHand = performance.now() - this.#touched < BY_HAND;
    if (near || (scrollTop < this.#top && byHand)) this.#stick = near && !this.#detached;
    this.#top = scrollTop;
    if (this.#stick) $("newer").hidden = true;
    if (scrollTop < NEAR * 5 && this.#more && !this.#loading && this.#order.length) {
      this.#loading = this.#connection.send({ before: this.#order[0] });
    }
    this.#label();
  }

  #toBottom() {
    this.#scroller.scrollTop = this.#scroller.scrollHeight;
    $("newer").hidden = true;
  }

  #unread() {
    $("newer").hidden = false;
  }

  #label() {
    $("newer").replaceChildren(icon("down"), t("web.newer"));
    const earlier = $("earlier");
    earlier.hidden = !this.#more && !this.#loading;
    earlier.replaceChildren(el("span", {}, this.#loading ? t("web.loading") : t("web.earlier")));
  }

  #show(id) {
    const node = this.#items.get(id)?.node;
    if (!node) return;
    node.scrollIntoView({ block: "center" });
    node.classList.add("flash");
    setTimeout(() => node.classList.remove("flash"), 1500);
  }
}
