// Commands inside the text of our own cards become buttons that send them.
import { el } from "./dom.js";

// Not inside a path, an address or a word: "/job_12." yes, "/data/x", "a/b" and "https://x" no.
const COMMAND = /(?<![\w/.:~-])\/[a-z][a-z0-9_]{0,63}(?![\w/-])(?!\.\w)/g;

export function withCommands(text, send) {
  const nodes = [];
  let end = 0;
  for (const match of text.matchAll(COMMAND)) {
    nodes.push(text.slice(end, match.index));
    const command = match[0];
    nodes.push(el("button", { type: "button", class: "chip", on: { click: () => send(command) } }, command));
    end = match.index + command.length;
  }
  nodes.push(text.slice(end));
  return nodes;
}
