// A small line with its caption. The caption says what matters; the drawing is for the eye.
import { el, svg } from "./dom.js";

const WIDTH = 320;
const HEIGHT = 72;
const EDGE = 6;

export function chart({ points, caption }) {
  const known = points.filter(([x, y]) => Number.isFinite(x) && Number.isFinite(y));
  const drawing = known.length ? plot(known, caption) : null;
  return el("figure", { class: "chart" }, drawing, el("figcaption", {}, caption));
}

function plot(points, caption) {
  const across = scale(points.map(([x]) => x), EDGE, WIDTH - EDGE);
  const up = scale(points.map(([, y]) => y), HEIGHT - EDGE, EDGE);
  const spots = points.map(([x, y]) => [across(x), up(y)]);
  const line = spots.map(([x, y]) => `${x.toFixed(1)},${y.toFixed(1)}`).join(" ");
  const [lastX, lastY] = spots[spots.length - 1];
  const area = `${spots[0][0].toFixed(1)},${HEIGHT} ${line} ${lastX.toFixed(1)},${HEIGHT}`;
  return svg(
    "svg",
    { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img", "aria-label": caption },
    svg("polygon", { points: area, class: "area" }),
    svg("polyline", { points: line, class: "curve" }),
    // A line without length has round ends only: a dot that stays round however the drawing is stretched.
    svg("path", { d: `M${lastX.toFixed(1)} ${lastY.toFixed(1)}h0`, class: "spot" }),
  );
}

function scale(values, from, to) {
  const low = Math.min(...values);
  const span = Math.max(...values) - low;
  return (value) => (span === 0 ? (from + to) / 2 : from + ((value - low) / span) * (to - from));
}
