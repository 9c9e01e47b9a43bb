// The chat page: everything is made and tied together here.
import { Presses } from "./buttons.js";
import { setUpComposer } from "./composer.js";
import { config } from "./config.js";
import { Connection } from "./connection.js";
import { $, el } from "./dom.js";
import { setUpLanguage } from "./language-switch.js";
import { notice, setUpBell, toast } from "./notices.js";
import { Outbox } from "./outbox.js";
import { keep } from "./storage.js";
import { language, onLanguage, setLanguage, t, translate } from "./strings.js";
import { setUpTheme } from "./theme.js";
import { Timeline } from "./timeline.js";
import { Uploads } from "./uploads.js";
import { setUpWelcome } from "./welcome.js";

translate();
setUpTheme();
setUpBell();

const connection = new Connection();
const outbox = new Outbox(connection, config.account);
const say = (text) => {
  outbox.say(text);
  timeline.toBottom();
};
const tools = {
  send: say,
  presses: new Presses(connection),
  arrived: (entry) => entry.body.client && outbox.arrived(entry.body.client),
};
const timeline = new Timeline(connection, tools, setUpWelcome(say));
const uploads = new Uploads(connection, () => timeline.toBottom());
const completion = setUpComposer({ say, addFiles: (files) => uploads.add(files) });
setUpLanguage((chosen) => outbox.say(`/lang ${chosen}`, true));

function showState() {
  const up = connection.open;
  $("state").textContent = t(up ? "web.state.up" : "web.state.down");
  $("state").dataset.up = String(up);
  $("offline").textContent = t("web.state.offline");
}

let serverLanguage = config.language;

function hello({ build, language: told, menu }) {
  completion.menu = menu;
  completion.update();
  // Only a change that happened over there is followed; what was just chosen here is on its way.
  if (told && told !== serverLanguage && told !== language()) setLanguage(told);
  serverLanguage = told;
  if (build !== config.build) offerReload();
}

function offerReload() {
  const line = $("offline");
  line.hidden = false;
  line.replaceChildren(
    t("web.update"),
    el("button", { type: "button", class: "link", on: { click: () => location.reload() } }, t("web.update.reload")),
  );
}

let typing = 0;
let patience = 0;

connection.addEventListener("up", () => {
  clearTimeout(patience);
  $("offline").hidden = true;
  showState();
});
connection.addEventListener("down", () => {
  showState();
  // A short gap, such as a restart, needs no words.
  clearTimeout(patience);
  patience = setTimeout(() => ($("offline").hidden = false), 1500);
});
connection.addEventListener("frame", ({ detail }) => {
  if ("hello" in detail) hello(detail.hello);
  if ("entries" in detail) $("typing").hidden = true;
  if ("typing" in detail) {
    clearTimeout(typing);
    $("typing").textContent = t("web.typing");
    $("typing").hidden = false;
    typing = setTimeout(() => ($("typing").hidden = true), detail.typing * 1000);
  }
});
onLanguage(showState);

$("leave").addEventListener("click", async () => {
  try {
    const response = await fetch("/sign-out", { method: "POST", headers: { "X-Csrf-Token": config.csrf } });
    if (!response.ok) return notice(t("web.error.offline"));
  } catch {
    return toast(t("web.error.offline"));
  }
  outbox.clear();
  keep("draft", null, "sessionStorage");
  return location.replace("/");
});

// The link of an invite that somebody opened who is here already: its code shall not stay in the history.
if (location.hash.startsWith("#code=")) history.replaceState(null, "", location.pathname);

showState();
connection.start();
$("text").focus();
