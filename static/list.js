// The chat list: by day, with search, rename in place, delete with undo.
import { forget, open, rename, search, watch } from "./chats.js";
import { button, h, icon, shadow } from "./dom.js";
import { dayGroup } from "./format.js";
import { menu } from "./menu.js";
import { closeOverlays, toggle } from "./panels.js";
import { on, state } from "./state.js";
import { complain } from "./toast.js";

const SEARCH_MS = 150;
/** @type {string | null} the chat whose title is being edited: the list must not be redrawn under the hands */
let editing = null;

/** @param {HTMLElement} element */
export async function mount(element) {
  const root = await shadow(element.querySelector(".m3-host"), ["list"]);
  const field = h("input", { type: "search", placeholder: "Search chats", "aria-label": "Search chats", "data-testid": "chat-search", autocomplete: "off" });
  const nav = h("nav", { "aria-label": "Chats", "data-testid": "chat-list" });
  root.append(
    h("div", { class: "brand" }, icon("logo"), h("b", {}, "M3 Studio"),
      button({ name: "Hide the chat list", icon: "sidebar", class: "push", onclick: () => toggle("left", false) })),
    h("div", { class: "top" },
      button({ name: "New chat", text: "New chat", icon: "write", class: "new", "data-testid": "new-chat", onclick: begin }),
      h("label", { class: "search" }, icon("search"), field)),
    nav,
  );
  let timer = 0;
  field.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => search(field.value), SEARCH_MS);
  });
  field.addEventListener("keydown", (event) => steer(event, field, nav));
  nav.addEventListener("keydown", (event) => walk(event, nav, field));
  const redraw = () => editing || draw(nav);
  on("chats", redraw);
  on("open", redraw);
  on("turn", redraw);
  on("rename", (id) => edit(nav, id));
  on("find", () => field.select());
  watch();
}

function begin() {
  open(null);
  closeOverlays();
}

/** @param {HTMLElement} nav */
function draw(nav) {
  const focused = nav.getRootNode().activeElement?.closest?.(".item")?.dataset.id;
  const parts = [];
  let group = "";
  for (const chat of state.chats) {
    const heading = dayGroup(chat.updated_at);
    if (heading !== group) parts.push(h("h3", {}, (group = heading)));
    parts.push(item(chat));
  }
  if (!parts.length) {
    parts.push(h("p", { class: "none" }, state.query ? `No chat is called “${state.query}”.` : "Your chats will be listed here."));
  }
  nav.replaceChildren(...parts);
  if (focused) nav.querySelector(`.item[data-id="${CSS.escape(focused)}"] a`)?.focus();
}

/** @param {import("./state.js").ChatLine} chat */
function item(chat) {
  const url = new URL(location.href);
  url.searchParams.set("chat", chat.id);
  const title = chat.title || "New chat";
  const link = h("a", { href: url.href, title, "aria-current": chat.id === state.chatId ? "page" : undefined, onclick: follow },
    h("span", { class: "title" }, title), chat.turn_id && h("span", { class: "running", role: "img", "aria-label": "Being answered" }));
  const more = button({ name: `Actions for ${title}`, icon: "more", class: "small more", "aria-haspopup": "menu" });
  const row = h("div", { class: "item", "data-testid": "chat-item", "data-id": chat.id }, link, more);
  more.addEventListener("click", () =>
    menu(more, [
      { text: "Rename", icon: "pencil", run: () => edit(row.parentElement, chat.id) },
      { text: "Delete", icon: "trash", danger: true, run: () => forget(chat.id).catch(complain) },
    ]));
  link.addEventListener("dblclick", () => edit(row.parentElement, chat.id));
  return row;

  function follow(event) {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return; // a new tab or window, as with every link
    event.preventDefault();
    if (chat.id !== state.chatId) open(chat.id);
    closeOverlays();
  }
}

/** @param {HTMLElement} nav @param {string} id */
function edit(nav, id) {
  const row = nav?.querySelector(`.item[data-id="${CSS.escape(id)}"]`);
  const chat = state.chats.find((known) => known.id === id);
  if (!row || !chat) return;
  editing = id;
  const field = h("input", { value: chat.title, "aria-label": "Title of the chat", maxlength: 200 });
  row.replaceChildren(field);
  field.select();
  let over = false;
  const end = (keep) => {
    if (over) return;
    over = true;
    editing = null;
    rename(id, keep ? field.value : chat.title);
  };
  field.addEventListener("blur", () => end(true));
  field.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    event.stopPropagation();
    if (event.key === "Enter" || event.key === "Escape") end(event.key === "Enter");
  });
}

/** Arrow down from the search field walks into the list; Enter opens the first chat. */
function steer(event, field, nav) {
  const first = nav.querySelector("a");
  if (event.key === "ArrowDown" || event.key === "Enter") {
    event.preventDefault();
    if (event.key === "Enter" && field.value) first?.click();
    else first?.focus();
  }
  if (event.key === "Escape" && field.value) {
    event.stopPropagation();
    field.value = "";
    search("");
  }
}

function walk(event, nav, field) {
  const links = [...nav.querySelectorAll("a")];
  const at = links.indexOf(nav.getRootNode().activeElement);
  if (at < 0) return;
  const id = links[at].parentElement.dataset.id;
  if (event.key === "ArrowDown") links[at + 1]?.focus();
  else if (event.key === "ArrowUp") (links[at - 1] ?? field).focus();
  else if (event.key === "F2") edit(nav, id);
  else if (event.key === "Delete") forget(id).catch(complain);
  else return;
  event.preventDefault();
}
