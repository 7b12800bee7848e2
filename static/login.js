// What the sign-in and the first-password page do beyond a plain form; without scripts the form still works.
const theme = localStorage.getItem("m3-theme"); // what the user chose in the app, on this device
if (theme === "light" || theme === "dark") document.documentElement.style.colorScheme = theme;

const form = document.querySelector("form");
const password = form.elements.password;
const go = form.querySelector(".go");
const error = document.querySelector(".error");
const flags = document.body.dataset.flags.split(" ");

// A link on another site came without our cookie; our own page asking again brings it along.
if (flags.includes("again")) location.replace("./");

for (const eye of form.querySelectorAll(".eye")) {
  eye.addEventListener("click", () => {
    const shown = password.type === "password";
    password.type = shown ? "text" : "password";
    eye.setAttribute("aria-pressed", String(shown));
    eye.setAttribute("aria-label", shown ? "Hide password" : "Show password");
    password.focus();
  });
}

const caps = document.getElementById("caps");
for (const kind of ["keydown", "keyup"]) {
  password.addEventListener(kind, (event) => {
    if (event.getModifierState) caps.textContent = event.getModifierState("CapsLock") ? "Caps Lock is on." : "";
  });
}
password.addEventListener("blur", () => { caps.textContent = ""; });

const token = form.elements.token;
if (token) {
  const needed = flags.includes("token");
  token.closest(".row").hidden = !needed;
  token.required = needed;
  const given = new URLSearchParams(location.hash.slice(1)).get("t") ?? sessionStorage.getItem("m3-setup") ?? "";
  if (needed && given) {
    token.value = given;
    sessionStorage.setItem("m3-setup", given); // survives the answer to a password that was too short
    history.replaceState(null, "", location.pathname);
  }
  if (needed && !given) token.focus();
}

form.addEventListener("submit", (event) => {
  const short = form.dataset.kind === "setup" && new TextEncoder().encode(password.value.normalize("NFC")).length < 8;
  if (short || !password.value) {
    event.preventDefault();
    error.textContent = short ? "This password is too short. Take at least 8 characters." : "Type your password first.";
    password.focus();
    return;
  }
  password.type = "password"; // browsers offer to save only what was hidden
  go.disabled = true;
  go.textContent = go.dataset.busy;
});

// Throttled: count down, then let the next try through.
let wait = Number(document.body.dataset.wait || 0);
const label = go.textContent;
function tick() {
  go.disabled = wait > 0;
  go.textContent = wait > 0 ? `Wait ${wait} s` : label;
  if (wait > 0) setTimeout(tick, 1000);
  else if (document.body.dataset.wait) error.textContent = "";
  wait -= 1;
}
if (wait) tick();
addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
