// The WebSocket: comes back by itself, asks for what was missed, notices a line that went dead.
import { language } from "./strings.js";

const FIRST_WAIT = 500;
const LONGEST_WAIT = 15_000;
const QUIET = 20_000;
const PATIENCE = 8_000;
const SIGNED_OUT = 4401;

export class Connection extends EventTarget {
  #socket = null;
  #wait = FIRST_WAIT;
  #retry = null;
  #watch = null;
  revision = null;
  open = false;

  start() {
    addEventListener("online", () => this.#hurry());
    addEventListener("pageshow", () => this.#hurry());
    document.addEventListener("visibilitychange", () => document.hidden || this.#hurry());
    this.#connect();
  }

  // Returns whether it was handed to an open line.
  send(frame) {
    if (!this.open) return false;
    this.#socket.send(JSON.stringify(frame));
    return true;
  }

  #connect() {
    clearTimeout(this.#retry);
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const socket = new WebSocket(`${scheme}://${location.host}/ws?language=${language()}`);
    let greeted = false;
    this.#socket = socket;
    socket.onopen = () => {
      this.open = true;
      socket.send(JSON.stringify({ since: this.revision }));
      this.#listenFor(QUIET);
    };
    socket.onmessage = (message) => {
      if (socket !== this.#socket) return;
      this.#listenFor(QUIET);
      const frame = JSON.parse(message.data);
      if ("hello" in frame && !greeted) {
        greeted = true;
        this.#welcomed();
      }
      // Only ever forward: a page of old history says nothing about what is new.
      if ("entries" in frame || ("history" in frame && frame.before === null)) {
        this.revision = Math.max(this.revision ?? 0, frame.revision);
      }
      this.dispatchEvent(new CustomEvent("frame", { detail: frame }));
    };
    socket.onclose = (event) => socket === this.#socket && this.#lost(event.code);
  }

  #welcomed() {
    this.#wait = FIRST_WAIT;
    this.dispatchEvent(new Event("up"));
  }

  #lost(code) {
    this.open = false;
    this.#socket = null;
    clearTimeout(this.#watch);
    if (code === SIGNED_OUT) {
      location.replace("/");
      return;
    }
    this.dispatchEvent(new Event("down"));
    // Spread out, so that many pages do not all come back at the same moment.
    this.#retry = setTimeout(() => this.#connect(), this.#wait * (0.75 + Math.random() / 2));
    this.#wait = Math.min(this.#wait * 2, LONGEST_WAIT);
  }

  // Nothing heard for a while: ask; still nothing: the line is dead, whatever the browser believes.
  #listenFor(quiet) {
    clearTimeout(this.#watch);
    this.#watch = setTimeout(() => this.#ask(), quiet);
  }

  #ask() {
    if (!this.open) return;
    this.#socket.send(JSON.stringify({ ping: 1 }));
    const socket = this.#socket;
    this.#watch = setTimeout(() => {
      socket.onclose = null;
      socket.close();
      if (socket === this.#socket) this.#lost(1006);
    }, PATIENCE);
  }

  #hurry() {
    if (this.open) this.#ask();
    else if (this.#socket === null) this.#connect();
  }
}
