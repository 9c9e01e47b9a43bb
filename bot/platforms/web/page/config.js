// What the server told this page when it was loaded.
export const config = JSON.parse(document.getElementById("config").textContent);
