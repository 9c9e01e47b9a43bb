// The field at the bottom.
import { Completion } from "./completion.js";
import { $ } from "./dom.js";
import { keep, recall } from "./storage.js";

const TALLEST = 200;

export function setUpComposer({ say, addFiles }) {
  const form = $("composer");
  const text = $("text");
  const completion = new Completion();

  const resize = () => {
    text.style.height = "auto";
    text.style.height = `${Math.min(text.scrollHeight, TALLEST)}px`;
    $("send").disabled = !text.value.trim();
    keep("draft", text.value || null, "sessionStorage");
  };

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (!text.value.trim()) return;
    say(text.value);
    text.value = "";
    completion.close();
    resize();
    text.focus();
  });

  text.addEventListener("input", resize);
  text.addEventListener("keydown", (event) => {
    // While an input method composes, Enter chooses a character.
    if (event.isComposing || event.keyCode === 229) return;
    if (completion.key(event)) {
      event.preventDefault();
      return;
    }
    if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      form.requestSubmit();
    }
  });
  text.addEventListener("paste", (event) => {
    const files = [...(event.clipboardData?.files ?? [])];
    if (!files.length) return;
    event.preventDefault();
    addFiles(files);
  });

  text.value = recall("draft", "sessionStorage") ?? "";
  resize();
  return completion;
}
