// The page that strangers see.
import { $ } from "./dom.js";
import { setUpLanguage } from "./language-switch.js";
import { language, onLanguage, t, translate } from "./strings.js";
import { setUpTheme } from "./theme.js";

const form = $("form");
const error = $("error");
const enter = $("enter");

function refuse(sentence, field) {
  error.textContent = sentence;
  for (const name of ["code", "name"]) $(name).setAttribute("aria-invalid", String(name === field));
  $(field ?? "code").focus();
}

async function signIn() {
  const code = $("code").value.trim();
  const name = $("name").value.trim();
  error.textContent = "";
  if (!code) return refuse(t("web.sign_in.code_missing"), "code");
  if (!name) return refuse(t("web.sign_in.name_missing"), "name");
  let response;
  try {
    response = await fetch("/sign-in", {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-Csrf-Token": "sign-in", "X-Language": language() },
      body: JSON.stringify({ code, name }),
    });
  } catch {
    return refuse(t("web.error.offline"));
  }
  if (response.ok) return location.replace("/");
  const answer = await response.json().catch(() => ({}));
  refuse(answer.error ?? t("web.error.offline"), response.status === 403 ? "code" : undefined);
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  enter.disabled = true;
  enter.setAttribute("aria-busy", "true");
  await signIn();
  enter.disabled = false;
  enter.removeAttribute("aria-busy");
});

// An invite's link carries its code behind "#", which no server and no log ever sees; nor shall the history.
const invited = new URLSearchParams(location.hash.slice(1)).get("code");
if (invited) {
  $("code").value = invited;
  history.replaceState(null, "", location.pathname);
}
translate();
setUpTheme();
setUpLanguage();
onLanguage(() => (error.textContent = ""));
// Who came by a link from elsewhere looks like a stranger at first; asked from here the browser shows the session.
fetch("/session")
  .then((response) => response.json())
  .then(({ ok }) => ok && location.replace("/"))
  .catch(() => {}); // Not reachable: signing in will say so.
$(invited ? "name" : "code").focus();
