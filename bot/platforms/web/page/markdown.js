// Markdown as nodes. The library only reads the source into tokens; no HTML is ever made of it, and HTML in the
// source is shown as the text that it is.
import { codeBlock } from "./clipboard.js";
import { el } from "./dom.js";
import { Lexer } from "./vendor/marked.js";

const ENTITIES = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'", nbsp: "\u00a0" };
const ENTITY = /&(?:#(\d{1,7})|#[xX]([\da-fA-F]{1,6})|(amp|lt|gt|quot|apos|nbsp));/g;
const DEEPEST = 12;

// Draws the source into the node. Blocks that stayed the same keep their nodes, so that a selection or the focus
// inside them survives the next piece of a stream.
export function drawMarkdown(node, source) {
  const tokens = new Lexer({ gfm: true, breaks: true }).lex(source).filter((token) => token.type !== "space");
  // Models begin with any level; here the page and the message have the two above.
  const highest = Math.min(6, ...tokens.filter((token) => token.type === "heading").map((token) => token.depth));
  const former = node.markdownHighest === highest ? node.markdownBlocks : [];
  let same = 0;
  while (same < tokens.length && same < former.length && tokens[same].raw === former[same]) same += 1;
  while (node.childNodes.length > same) node.lastChild.remove();
  for (const token of tokens.slice(same)) {
    if (token.type === "heading") token.depth += 3 - highest;
    node.append(block(token, 0) ?? document.createComment(token.type));
  }
  node.markdownHighest = highest;
  node.markdownBlocks = tokens.map((token) => token.raw);
}

function block(token, depth) {
  if (depth > DEEPEST) return el("p", {}, token.raw);
  switch (token.type) {
    case "paragraph":
      return el("p", {}, inline(token.tokens, depth));
    case "heading":
      return el(`h${Math.min(Math.max(token.depth, 3), 6)}`, {}, inline(token.tokens, depth));
    case "code":
      return codeBlock(token.text, (token.lang ?? "").split(/\s/)[0]);
    case "blockquote":
      return el("blockquote", {}, blocks(token.tokens, depth));
    case "list":
      return el(
        token.ordered ? "ol" : "ul",
        { start: token.ordered && token.start !== 1 ? token.start : null },
        token.items.map((item) => listItem(item, depth)),
      );
    case "table":
      return table(token, depth);
    case "hr":
      return el("hr");
    case "def":
    case "space":
      return null;
    case "text":
      return el("p", {}, token.tokens ? inline(token.tokens, depth) : decode(token.text));
    default:
      return el("p", {}, token.raw);
  }
}

function blocks(tokens, depth) {
  return tokens.map((token) => block(token, depth + 1));
}

function listItem(item, depth) {
  const children = item.tokens.map((token) => {
    // A tight list has bare text; paragraphs would spread it out.
    if (token.type === "text" && !item.loose) return token.tokens ? inline(token.tokens, depth + 1) : decode(token.text);
    return token.type === "checkbox" ? tick(token) : block(token, depth + 1);
  });
  return el("li", { class: item.task ? "task" : null }, children);
}

function tick(token) {
  return token.checked ? "☑ " : "☐ ";
}

function table(token, depth) {
  const cell = (tag) => (one) => el(tag, { class: one.align ? `to-${one.align}` : null }, inline(one.tokens, depth));
  const head = el("thead", {}, el("tr", {}, token.header.map(cell("th"))));
  const body = el("tbody", {}, token.rows.map((row) => el("tr", {}, row.map(cell("td")))));
  return el("div", { class: "table", tabindex: "0" }, el("table", {}, head, body));
}

function inline(tokens, depth) {
  if (depth > DEEPEST) return tokens.map((token) => token.raw);
  const inner = (token) => inline(token.tokens, depth + 1);
  return tokens.map((token) => {
    switch (token.type) {
      case "strong":
        return el("strong", {}, inner(token));
      case "em":
        return el("em", {}, inner(token));
      case "del":
        return el("del", {}, inner(token));
      case "codespan":
        return el("code", {}, token.text);
      case "br":
        return el("br");
      case "link":
        return link(token, inner(token));
      case "image":
        // Nothing is fetched from elsewhere; the picture becomes a link to it.
        return link(token, [token.text || token.href]);
      case "checkbox":
        return tick(token);
      case "escape":
        return token.text;
      case "text":
        return token.tokens ? inner(token) : decode(token.text);
      default:
        return token.raw;
    }
  });
}

function link(token, children) {
  const address = webAddress(decode(token.href));
  if (address === null) return el("span", {}, children);
  return el("a", { href: address, target: "_blank", rel: "noopener noreferrer nofollow" }, children);
}

function webAddress(text) {
  try {
    const url = new URL(text);
    return url.protocol === "https:" || url.protocol === "http:" ? url.href : null;
  } catch {
    return null;
  }
}

function decode(text) {
  return text.replace(ENTITY, (whole, decimal, hex, name) => {
    if (name) return ENTITIES[name];
    const code = decimal ? Number.parseInt(decimal, 10) : Number.parseInt(hex, 16);
    return code > 0 && code <= 0x10ffff && !(code >= 0xd800 && code <= 0xdfff) ? String.fromCodePoint(code) : whole;
  });
}
