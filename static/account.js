// The lower part of the settings panel: how the page looks, who is signed in, keys, password.
import { ask, get, post, remove } from "./api.js";
import { dialog, shortcuts } from "./dialogs.js";
import { button, copy, h, icon, shadow } from "./dom.js";
import { ago, device } from "./format.js";
import { SHORTCUTS } from "./keys.js";
import { chooseTheme, chosenTheme } from "./theme.js";
import { complain, toast } from "./toast.js";

/** @param {HTMLElement} element */
export async function mount(element) {
  const root = await shadow(element.querySelector(".m3-host"), ["dialogs"]);
  const line = (text, picture, onclick) => h("button", { type: "button", class: "line", onclick }, icon(picture), h("span", {}, text));
  root.append(
    h("section", { class: "account" },
      h("h3", {}, "Appearance"), themes(),
      h("h3", {}, "Access"),
      line("Signed-in devices", "devices", () => devices().catch(complain)),
      line("API keys", "key", () => keys().catch(complain)),
      line("Change password", "lock", password),
      h("h3", {}, "Help"),
      line("Keyboard shortcuts", "keyboard", () => shortcuts(SHORTCUTS)),
      line("Sign out", "leave", leave)),
  );
}

function themes() {
  const names = { system: ["System", "screen"], light: ["Light", "sun"], dark: ["Dark", "moon"] };
  const entries = Object.entries(names).map(([choice, [text, picture]]) => {
    const entry = button({ name: text, text, icon: picture, "data-choice": choice, onclick: () => (chooseTheme(choice), draw()) });
    return entry;
  });
  const draw = () => entries.forEach((entry) => entry.setAttribute("aria-pressed", String(entry.dataset.choice === chosenTheme())));
  draw();
  return h("div", { class: "segments", role: "group", "aria-label": "Appearance" }, ...entries);
}

async function leave() {
  await post("logout").catch(() => {}); // the answer may be a redirect to the login page
  location.reload();
}

async function devices() {
  const list = h("ul", { class: "entries" });
  const draw = async () => {
    const { sessions } = await get("api/sessions");
    list.replaceChildren(...sessions.map((session) => {
      const end = async () => {
        await remove(`api/sessions/${session.id}`).catch(complain);
        await draw();
      };
      const words = [session.address, `used ${ago(session.last_seen_at)}`].filter(Boolean).join(" · ");
      return h("li", {}, icon("devices"), h("span", { class: "what" }, h("b", {}, device(session.user_agent ?? "")), h("small", {}, words)),
        session.current ? h("em", {}, "This device") : button({ name: "Sign out", text: "Sign out", class: "quiet", onclick: end }));
    }));
  };
  await draw();
  return dialog("Signed-in devices", [list]);
}

async function keys() {
  const list = h("ul", { class: "entries" });
  const fresh = h("div", { class: "fresh", role: "status" });
  const draw = async () => {
    const { keys: known } = await get("api/keys");
    list.replaceChildren(...known.map((key) => {
      const end = async () => {
        await remove(`api/keys/${key.id}`).catch(complain);
        await draw();
      };
      return h("li", {}, icon("key"), h("span", { class: "what" }, h("b", {}, key.name), h("small", {}, `made ${ago(key.created_at)}`)),
        button({ name: `Delete the key ${key.name}`, icon: "trash", class: "small", onclick: end }));
    }));
  };
  const field = h("input", { placeholder: "What is it for?", "aria-label": "Name of the new key", maxlength: 100 });
  const make = async (event) => {
    event.preventDefault();
    try {
      const { key } = await post("api/keys", { name: field.value.trim() || "Key" });
      const take = button({ name: "Copy", text: "Copy", icon: "copy", class: "quiet", onclick: () => copy(key).then(() => toast("The key is copied.")) });
      fresh.replaceChildren(h("p", {}, "Copy the key now: it is not shown again."), h("div", { class: "row" }, h("code", {}, key), take));
      field.value = "";
      await draw();
    } catch (error) {
      complain(error);
    }
  };
  await draw();
  const form = h("form", { class: "row", onsubmit: make }, field, h("button", { type: "submit", class: "button primary" }, h("span", {}, "Make a key")));
  return dialog("API keys", [h("p", {}, "Programs use a key to reach the API of this app."), list, form, fresh]);
}

async function password() {
  const field = (name, complete) => h("input", { type: "password", autocomplete: complete, required: true, "aria-label": name, placeholder: name });
  const [old, fresh] = [field("Current password", "current-password"), field("New password", "new-password")];
  const problem = h("p", { class: "field-problem", role: "alert", hidden: true });
  const change = async (event) => {
    event.preventDefault();
    try {
      await ask("POST", "api/password", { old: old.value, new: fresh.value });
      box.close();
      toast("The password is changed.");
    } catch (error) {
      problem.textContent = error.message;
      problem.hidden = false;
    }
  };
  const row = h("div", { class: "row" }, h("span", { class: "space" }), h("button", { type: "submit", class: "button primary" }, h("span", {}, "Change")));
  const box = await dialog("Change password", [h("form", { class: "stack", onsubmit: change }, old, fresh, problem, row)]);
}
