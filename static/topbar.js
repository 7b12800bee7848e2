// The bar above the chat: panels, the model bar, what can be done to the chat.
import { forget } from "./chats.js";
import { button, h } from "./dom.js";
import { instructions } from "./dialogs.js";
import { menu } from "./menu.js";
import { modelBar } from "./models.js";
import { open } from "./chats.js";
import { isShown, toggle } from "./panels.js";
import { emit, on, state } from "./state.js";
import { complain } from "./toast.js";

/** @param {import("./turns.js").Conversation} conversation */
export function topbar(conversation) {
  const list = button({ name: "Show the chat list", icon: "sidebar", "data-testid": "show-list", onclick: () => toggle("left", true) });
  const fresh = button({ name: "New chat", icon: "write", onclick: () => open(null) });
  const more = button({ name: "Actions for this chat", icon: "more", "aria-haspopup": "menu", onclick: actions });
  const settings = button({ name: "Settings", icon: "sliders", "aria-expanded": "false", "data-testid": "show-settings", onclick: () => toggle("right") });
  const draw = () => {
    list.hidden = fresh.hidden = isShown("left");
    settings.setAttribute("aria-expanded", String(isShown("right")));
    more.classList.toggle("marked", Boolean(conversation.own.system_prompt));
    document.title = conversation.chat?.title ? `${conversation.chat.title} · M3 Studio` : "M3 Studio";
  };
  for (const name of ["panels", "chat", "settings"]) on(name, draw);
  draw();
  return h("header", { class: "topbar" }, list, fresh, modelBar(), h("span", { class: "space" }), more, settings);

  function actions() {
    const made = state.chatId !== null;
    const rename = () => {
      toggle("left", true);
      emit("rename", state.chatId);
    };
    menu(more, [
      { text: "Instructions for this chat", icon: "text", run: () => instructions(conversation) },
      ...(made ? [{ text: "Rename", icon: "pencil", run: rename }, { text: "Delete", icon: "trash", danger: true, run: () => forget(state.chatId).catch(complain) }] : []),
    ]);
  }
}
