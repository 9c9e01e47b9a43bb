// One message of the conversation as a list item; drawn again whenever it changes.
import { attachment, block, toneClass } from "./blocks.js";
import { withCommands } from "./commands.js";
import { el, icon } from "./dom.js";
import { drawMarkdown } from "./markdown.js";
import { moment, size, t } from "./strings.js";

// tools: send(text), presses, find(id) → item or undefined, show(id).
export class Item {
  constructor(entry, tools) {
    this.entry = entry;
    this.tools = tools;
    this.node = el("li", { class: `entry ${entry.author === "person" ? "person" : "bot"}`, dataset: { entry: entry.id } });
    this.draw();
  }

  get body() {
    return this.entry.body;
  }

  // A preview has no revision and knows nothing of what was stored with the message.
  preview(body) {
    const { reply_to, attachments } = this.body;
    this.entry = { ...this.entry, body: { ...body, reply_to, attachments } };
    this.draw();
  }

  update(entry) {
    this.entry = entry;
    this.draw();
  }

  draw() {
    const focused = this.node.contains(document.activeElement) ? document.activeElement.dataset.key : undefined;
    this.node.replaceChildren(...[this.#reply(), this.#main(), this.#time()].filter(Boolean));
    if (focused === undefined) return;
    for (const one of this.node.querySelectorAll("[data-key]")) if (one.dataset.key === focused) one.focus();
  }

  // What is read out: the words without marks.
  text() {
    const { kind, title, blocks = [], text, name } = this.body;
    if (kind === "card") return [title, ...blocks.map((one) => one.text ?? one.caption)].filter(Boolean).join(". ");
    if (kind === "answer") return this.words.textContent;
    return kind === "file" ? name : text;
  }

  #main() {
    const draw = { text: () => this.#said(), file: () => this.#file(), card: () => this.#card(), answer: () => this.#answer() };
    return (draw[this.body.kind] ?? (() => null))();
  }

  #said() {
    return el("div", { class: "bubble" }, el("p", { class: "said" }, this.body.text));
  }

  #file() {
    const { name, size: bytes } = this.body;
    return el(
      "div",
      { class: "bubble file" },
      icon("file"),
      el("span", { class: "file-name" }, name),
      el("span", { class: "file-size" }, size(bytes)),
    );
  }

  #card() {
    const { title, tone, blocks, buttons, attachments = [] } = this.body;
    return el(
      "article",
      { class: `card ${toneClass(tone)}`, "aria-label": title || null },
      title ? el("h2", {}, withCommands(title, this.tools.send)) : null,
      blocks.map((one) => block(one, this.tools.send)),
      attachments.length ? el("div", { class: "attachments" }, attachments.map((one) => attachment(one, this.entry.id))) : null,
      this.tools.presses.rows(buttons, this.entry.id),
    );
  }

  #answer() {
    const { text, state, note, buttons, thought } = this.body;
    const waiting = state === "waiting" && !text;
    // The same node each time: what stayed the same in it is not drawn again.
    this.words ??= el("div", { class: "words" });
    drawMarkdown(this.words, text);
    this.words.classList.toggle("streaming", state === "streaming");
    const lost = state === "lost" ? t("web.answer.lost") : "";
    return el(
      "article",
      { class: "answer", "aria-busy": waiting || state === "streaming" ? "true" : null, "aria-label": t("web.answer") },
      thought ? this.#thought(thought) : null,
      waiting ? dots() : this.words,
      note || lost ? el("p", { class: "note" }, note || lost) : null,
      this.tools.presses.rows(buttons, this.entry.id),
    );
  }

  #thought(text) {
    // The same node each time, so that it stays open for whoever reads along.
    this.thoughts ??= el("details", { class: "thought" }, el("summary", {}, t("web.answer.thought")), el("p", {}));
    this.thoughts.lastChild.textContent = text;
    return this.thoughts;
  }

  #reply() {
    const to = this.body.reply_to;
    const item = to ? this.tools.find(to) : undefined;
    if (!item) return null;
    const excerpt = (item.text() ?? "").replace(/\s+/g, " ").slice(0, 80);
    return el("button", { type: "button", class: "reply", on: { click: () => this.tools.show(to) } }, icon("reply"), el("span", {}, excerpt));
  }

  #time() {
    if (this.body.kind === "answer" && this.body.state !== "done") return null;
    return el("time", { datetime: this.entry.created }, moment(this.entry.created));
  }
}

function dots() {
  return el("p", { class: "dots", role: "img", "aria-label": t("web.answer.waiting") }, el("i"), el("i"), el("i"));
}
