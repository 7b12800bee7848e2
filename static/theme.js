// Light, dark or as the system says. Runs from the page's head, before anything is drawn; Gradio reads body.dark too.

const KEY = "m3-theme";
const system = matchMedia("(prefers-color-scheme: dark)");

/** @returns {"system" | "light" | "dark"} what the user chose on this device */
export function chosenTheme() {
  const kept = localStorage.getItem(KEY);
  return kept === "light" || kept === "dark" ? kept : "system";
}

/** @param {"system" | "light" | "dark"} choice */
export function chooseTheme(choice) {
  localStorage.setItem(KEY, choice);
  apply();
}

function apply() {
  const choice = chosenTheme();
  const dark = choice === "dark" || (choice === "system" && system.matches);
  document.documentElement.style.colorScheme = dark ? "dark" : "light";
  if (document.body.classList.contains("dark") !== dark) document.body.classList.toggle("dark", dark);
}

apply();
system.addEventListener("change", apply);
addEventListener("storage", apply);
// Gradio sets the class by the system's scheme when it starts: the user's choice goes over that.
new MutationObserver(apply).observe(document.body, { attributes: true, attributeFilter: ["class"] });
