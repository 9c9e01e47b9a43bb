// The blocks of a card.
import { chart } from "./chart.js";
import { codeBlock } from "./clipboard.js";
import { withCommands } from "./commands.js";
import { el, icon } from "./dom.js";
import { size, t } from "./strings.js";
import { view } from "./viewer.js";

const TONES = new Set(["normal", "muted", "good", "warning", "error"]);

// Rem; as in cards.css.
const TALLEST = 22;
// Characters from which a value takes the whole width, to be read from the left.
const LONG = 32;

export const toneClass = (tone) => (TONES.has(tone) ? `tone-${tone}` : "tone-normal");

export function block(one, send) {
  switch (one.kind) {
    case "paragraph":
      return el("p", { class: `paragraph ${toneClass(one.tone)}` }, withCommands(one.text, send));
    case "fields":
      return el(
        "dl",
        { class: "fields" },
        one.rows.map(([name, value]) =>
          el("div", { class: value.length > LONG ? "wide" : null }, el("dt", {}, name), el("dd", {}, withCommands(value, send))),
        ),
      );
    case "items":
      return el("ul", { class: "items" }, one.items.map((item) => el("li", {}, withCommands(item, send))));
    case "code":
      return codeBlock(one.text);
    case "bar":
      return bar(one);
    case "chart":
      return chart(one);
    default:
      return null; // A block of a newer server; the notice to reload is on its way.
  }
}

function bar({ share, caption }) {
  const known = share !== null;
  // Without a value the browser shows, and says, that the end is not known.
  const progress = el("progress", { max: 1, value: known ? share : null, "aria-label": caption });
  return el("div", { class: "bar" }, progress, el("p", {}, caption));
}

export function attachment(one, entry) {
  const source = `/files/${one.digest}/${encodeURIComponent(one.name)}?entry=${entry}`;
  if (one.kind === "picture") {
    const picture = el("img", { src: source, alt: one.alt || one.name, loading: "lazy" });
    // Its place is kept free before it is there, so that nothing jumps when it comes.
    if (one.pixels) {
      const [width, height] = one.pixels;
      picture.style.width = `min(100%, ${width}px, ${(TALLEST * width) / height}rem)`;
      picture.style.aspectRatio = `${width} / ${height}`;
    }
    const click = () => view(source, one.alt || one.name, one.name);
    return el("button", { type: "button", class: "picture", on: { click }, title: t("web.picture.enlarge") }, picture);
  }
  return el(
    "a",
    { class: "document", href: source, download: one.name },
    icon("file"),
    el("span", { class: "file-name" }, one.name),
    el("span", { class: "file-size" }, size(one.size)),
  );
}
