// The chats as data: the list, which one is open, and what can be done to one.
import { get, patch, post, remove } from "./api.js";
import { emit, on, state } from "./state.js";
import { complain, toast } from "./toast.js";

const POLL_MS = 5000;
const UNDO_SECONDS = 8;

/** Fetch the list; other parts hear `chats` when it changed. */
export async function refresh() {
  const query = state.query;
  const { chats } = await get(`api/chats?q=${encodeURIComponent(query)}`);
  if (query !== state.query || JSON.stringify(chats) === JSON.stringify(state.chats)) return;
  state.chats = chats;
  emit("chats");
}

/** @param {string} query */
export function search(query) {
  state.query = query;
  return refresh().catch(complain);
}

/** @param {string | null} id null begins a new chat @param {"push" | "replace" | "none"} [trace] in the browser's history */
export function open(id, trace = "push") {
  state.chatId = id;
  const url = new URL(location.href);
  if (id) url.searchParams.set("chat", id);
  else url.searchParams.delete("chat");
  if (trace === "push") history.pushState(null, "", url);
  if (trace === "replace") history.replaceState(null, "", url);
  emit("open");
}

/** Make the chat that is open but not yet made. @param {object} settings @returns {Promise<string>} its id */
export async function create(settings) {
  const chat = await post("api/chats", { settings });
  state.chatId = chat.id;
  const url = new URL(location.href);
  url.searchParams.set("chat", chat.id);
  history.pushState(null, "", url);
  return chat.id;
}

/** @param {string} id @param {string} title */
export async function rename(id, title) {
  const known = state.chats.find((chat) => chat.id === id);
  if (!title.trim() || title.trim() === known?.title) return emit("chats");
  if (known) known.title = title.trim();
  emit("chats");
  await patch(`api/chats/${id}`, { title: title.trim() }).catch(complain);
  await refresh().catch(complain);
}

/** Delete, and offer to undo it. @param {string} id */
export async function forget(id) {
  const { title } = state.chats.find((chat) => chat.id === id) ?? { title: "Chat" };
  await remove(`api/chats/${id}`);
  if (state.chatId === id) open(null);
  await refresh();
  const undo = async () => {
    await post(`api/chats/${id}/restore`).catch(complain);
    await refresh().catch(complain);
    open(id);
  };
  toast(`Deleted “${shorten(title || "New chat")}”`, { act: "Undo", onact: undo, seconds: UNDO_SECONDS });
}

const shorten = (/** @type {string} */ text) => (text.length > 40 ? `${text.slice(0, 39)}…` : text);

/** Look for what other tabs and devices did. */
export function watch() {
  const look = () => document.visibilityState === "visible" && refresh().catch(() => {}); // the next look says if it lasts
  setInterval(() => state.live || look(), POLL_MS);
  document.addEventListener("visibilitychange", look);
  addEventListener("popstate", () => open(new URLSearchParams(location.search).get("chat"), "none"));
  on("turn", () => refresh().catch(() => {}));
  return refresh().catch(complain);
}
