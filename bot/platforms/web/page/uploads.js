// Files on their way: dropped, chosen or pasted; two at a time, the others wait.
import { config } from "./config.js";
import { $, el, icon, uuid } from "./dom.js";
import { label, language, onLanguage, size, t } from "./strings.js";

const AT_ONCE = 2;
const TRIES = 4;

export class Uploads {
  #items = [];
  #list = $("uploads");
  #connection;
  #added;

  constructor(connection, added) {
    this.#connection = connection;
    this.#added = added;
    connection.addEventListener("up", () => this.#next());
    $("attach").addEventListener("click", () => $("files").click());
    $("files").addEventListener("change", () => {
      this.add([...$("files").files]);
      $("files").value = "";
    });
    this.#listenForDrops();
    onLanguage(() => this.#show());
    // Leaving now would cut them off.
    addEventListener("beforeunload", (event) => this.#items.some((item) => item.state === "running") && event.preventDefault());
  }

  add(files) {
    for (const file of files) {
      const item = { id: uuid(), file, state: "waiting", sent: 0, tries: 0, error: "" };
      if (file.size > config.maxUploadBytes) {
        item.state = "failed";
        item.error = t("web.upload.too_large", { limit: size(config.maxUploadBytes) });
        item.final = true;
      }
      this.#items.push(item);
    }
    this.#next();
    this.#added();
  }

  #next() {
    const running = this.#items.filter((item) => item.state === "running").length;
    const waiting = this.#items.filter((item) => item.state === "waiting" && this.#connection.open);
    for (const item of waiting.slice(0, Math.max(0, AT_ONCE - running))) this.#start(item);
    this.#show();
  }

  #start(item) {
    const request = new XMLHttpRequest();
    item.state = "running";
    item.request = request;
    item.tries += 1;
    item.sent = 0;
    request.open("POST", "/upload");
    request.setRequestHeader("X-File-Name", encodeURIComponent(item.file.name));
    request.setRequestHeader("X-Message-Id", item.id);
    request.setRequestHeader("X-Csrf-Token", config.csrf);
    request.setRequestHeader("X-Language", language());
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.upload.onprogress = ({ loaded }) => {
      item.sent = loaded;
      this.#progress(item);
    };
    request.onload = () => this.#ended(item, request);
    // Cut off: once the line is back it is tried again, under the same id.
    request.onerror = () => this.#cut(item);
    request.send(item.file);
  }

  #ended(item, request) {
    if (request.status === 200) this.#remove(item);
    else if (request.status === 503) {
      this.#cut(item);
      return;
    } else {
      let error = t("web.upload.cut");
      try {
        error = JSON.parse(request.responseText).error ?? error;
      } catch {
        // Something between us answered; its words are not for people.
      }
      Object.assign(item, { state: "failed", error, final: request.status === 413 });
    }
    this.#next();
  }

  #cut(item) {
    if (item.tries < TRIES) item.state = "waiting";
    else Object.assign(item, { state: "failed", error: t("web.upload.cut"), tries: 0 });
    // The socket tells when the server is there again; if it never noticed, a moment later is soon enough.
    if (this.#connection.open) setTimeout(() => this.#next(), 1000);
    this.#show();
  }

  #cancel(item) {
    item.request?.abort();
    this.#remove(item);
    this.#next();
    $("text").focus();
  }

  #remove(item) {
    this.#items = this.#items.filter((one) => one !== item);
    item.node?.remove();
  }

  #show() {
    this.#list.hidden = this.#items.length === 0;
    this.#list.replaceChildren(...this.#items.map((item) => this.#node(item)));
  }

  #node(item) {
    const cancel = el("button", { type: "button", class: "tool small", on: { click: () => this.#cancel(item) } }, icon("close"));
    label(cancel, t("web.upload.cancel", { name: item.file.name }));
    const again = () => {
      item.state = "waiting";
      this.#next();
    };
    const retry =
      item.state === "failed" && !item.final
        ? el("button", { type: "button", class: "link", on: { click: again } }, t("web.message.again"))
        : null;
    item.bar = el("progress", { max: item.file.size || 1, value: item.sent, "aria-label": item.file.name });
    item.line = el("span", { class: "file-size" });
    item.node = el(
      "li",
      { class: `upload ${item.state}` },
      icon("file"),
      el("span", { class: "file-name" }, item.file.name),
      item.line,
      retry,
      cancel,
      item.state === "failed" ? el("p", { class: "error", role: "alert" }, item.error) : item.bar,
    );
    this.#progress(item);
    return item.node;
  }

  #progress(item) {
    item.bar.value = item.sent;
    const whole = size(item.file.size);
    if (item.state === "running") item.line.textContent = t("web.upload.progress", { sent: size(Math.min(item.sent, item.file.size)), whole });
    else item.line.textContent = item.state === "waiting" ? t("web.upload.waiting", { whole }) : whole;
  }

  #listenForDrops() {
    const files = (event) => event.dataTransfer?.types?.includes("Files");
    let depth = 0;
    const show = (shown) => ($("drop").hidden = !shown);
    addEventListener("dragenter", (event) => files(event) && (event.preventDefault(), (depth += 1), show(true)));
    addEventListener("dragover", (event) => files(event) && event.preventDefault());
    addEventListener("dragleave", (event) => files(event) && (depth = Math.max(0, depth - 1)) === 0 && show(false));
    addEventListener("drop", (event) => {
      if (!files(event)) return;
      event.preventDefault();
      depth = 0;
      show(false);
      this.add([...event.dataTransfer.files]);
    });
  }
}
