// Every sentence of the page in the reader's language.
import { config } from "./config.js";
import { icon } from "./dom.js";
import { keep, recall } from "./storage.js";

const listeners = new Set();

function first(...tags) {
  for (const tag of tags) {
    const prefix = (tag ?? "").toLowerCase().split(/[-_]/)[0];
    if (config.languages.includes(prefix)) return prefix;
  }
  return "en";
}

let current = first(config.language, recall("language"), ...(navigator.languages ?? [navigator.language]));

export const language = () => current;

export function t(key, fields = {}) {
  const phrase = config.phrases[current][key];
  if (phrase === undefined) throw new Error(`no phrase ${key}`);
  return phrase.replace(/\{(\w+)\}/g, (whole, name) => (name in fields ? String(fields[name]) : whole));
}

export function setLanguage(tag) {
  current = first(tag);
  keep("language", current);
  translate();
  for (const listener of listeners) listener(current);
}

export function onLanguage(listener) {
  listeners.add(listener);
}

// Fills what the HTML names: data-t (text), data-t-label, data-t-placeholder, and data-icon.
export function translate(root = document) {
  document.documentElement.lang = current === "zh" ? "zh-CN" : "en";
  for (const node of root.querySelectorAll("[data-t]")) node.textContent = t(node.dataset.t);
  for (const node of root.querySelectorAll("[data-t-placeholder]")) node.placeholder = t(node.dataset.tPlaceholder);
  for (const node of root.querySelectorAll("[data-t-label]")) label(node, t(node.dataset.tLabel));
  for (const node of root.querySelectorAll("[data-icon]")) node.replaceChildren(icon(node.dataset.icon));
}

export function label(node, text) {
  node.setAttribute("aria-label", text);
  if (node.tagName === "BUTTON") node.title = text;
}

const UNITS = [
  [1e9, "GB"],
  [1e6, "MB"],
  [1e3, "kB"],
];

export function size(bytes) {
  for (const [factor, unit] of UNITS) {
    if (bytes >= factor) return `${(bytes / factor).toLocaleString(current, { maximumFractionDigits: 1 })} ${unit}`;
  }
  return t("web.size.bytes", { count: bytes });
}

// The time of day; with the date when it was not today.
export function moment(iso) {
  const date = new Date(iso);
  const today = date.toDateString() === new Date().toDateString();
  const options = { hour: "2-digit", minute: "2-digit", hour12: false };
  return date.toLocaleString(current, today ? options : { month: "short", day: "numeric", ...options });
}
