// The list of commands while somebody types a slash: a listbox that the text field steers, as in a combobox. The
// field itself has more than one line, so HTML does not let it carry that role; what it opens is said instead.
import { $, el } from "./dom.js";
import { announce } from "./notices.js";
import { language, onLanguage, t } from "./strings.js";

const SHOWN = 8;

export class Completion {
  menu = [];
  #text = $("text");
  #list = $("completion");
  #found = [];
  #chosen = 0;
  #dismissed = null;

  constructor() {
    this.#text.addEventListener("input", () => this.update());
    this.#text.addEventListener("blur", () => this.close());
    this.#text.addEventListener("focus", () => this.update());
    onLanguage(() => this.update());
  }

  get open() {
    return !this.#list.hidden;
  }

  close() {
    this.#list.hidden = true;
    this.#text.removeAttribute("aria-activedescendant");
  }

  update() {
    const typed = this.#text.value.match(/^[/／]([A-Za-z0-9_]*)$/);
    if (!typed || this.#text.value === this.#dismissed) return this.close();
    this.#dismissed = null;
    const prefix = typed[1].toLowerCase();
    this.#found = this.menu.filter((entry) => entry.name.startsWith(prefix));
    this.#chosen = 0;
    // The command stands there in full: nothing is left to complete.
    const complete = this.#found.length === 1 && this.#found[0].name === prefix;
    if (!this.#found.length || complete) return this.close();
    if (this.#list.hidden) announce(t("web.commands.open", { count: this.#found.length }));
    this.#list.hidden = false;
    return this.#show();
  }

  // Returns whether the key was for the list.
  key(event) {
    if (!this.open) return false;
    const count = this.#found.length;
    if (event.key === "ArrowDown") this.#chosen = (this.#chosen + 1) % count;
    else if (event.key === "ArrowUp") this.#chosen = (this.#chosen + count - 1) % count;
    else if (event.key === "Escape") {
      this.#dismissed = this.#text.value;
      this.close();
      return true;
    } else if (event.key === "Tab" && !event.shiftKey) {
      this.#pick(this.#chosen);
      return true;
    } else if (event.key === "Enter" && !event.shiftKey) {
      // Typed in full and still first: it is meant to be sent.
      if (this.#found[this.#chosen].name === this.#text.value.slice(1).toLowerCase()) return false;
      this.#pick(this.#chosen);
      return true;
    } else return false;
    this.#show();
    return true;
  }

  #pick(index) {
    const { name, arguments: rest } = this.#found[index];
    this.#text.value = rest ? `/${name} ` : `/${name}`;
    this.#dismissed = this.#text.value;
    this.close();
    this.#text.focus();
    this.#text.dispatchEvent(new Event("input"));
  }

  #show() {
    this.#list.replaceChildren(
      ...this.#found.map((entry, index) =>
        el(
          "li",
          {
            role: "option",
            id: `option-${index}`,
            "aria-selected": String(index === this.#chosen),
            // Before the text field loses the focus.
            on: { pointerdown: (event) => event.preventDefault(), click: () => this.#pick(index) },
          },
          el("span", { class: "command" }, `/${entry.name}`),
          entry.arguments ? el("span", { class: "arguments" }, entry.arguments) : null,
          el("span", { class: "description" }, entry.descriptions[language()] ?? entry.descriptions.en ?? ""),
        ),
      ),
    );
    this.#text.setAttribute("aria-activedescendant", `option-${this.#chosen}`);
    this.#list.children[this.#chosen].scrollIntoView({ block: "nearest" });
    this.#list.classList.toggle("long", this.#found.length > SHOWN);
  }
}
