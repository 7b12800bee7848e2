// The settings in use as data: each value with its origin, for the chosen model and the open chat.
import { get, patch } from "./api.js";
import { emit, on, state } from "./state.js";
import { complain } from "./toast.js";

/**
 * @typedef {{value: any, origin: string, source: string, date: string}} Setting
 * @typedef {{kind: "none" | "always" | "switch" | "levels", modes: string[], usual: string} | null | undefined} Thinking
 */

const SAMPLING = new Set(["temperature", "top_k", "top_p", "min_p", "typical_p", "repeat_penalty", "repeat_last_n", "frequency_penalty",
  "presence_penalty", "xtc_probability", "xtc_threshold", "dry_multiplier", "dry_base", "dry_allowed_length", "seed"]);

/** @type {{chat: Record<string, Setting>, model: Record<string, Setting>}} by the scope that is looked at */
export const used = { chat: {}, model: {} };
/** The open chat's own settings. */
let own = {};
let run = 0;
let known = "";

/** Fetch both; other parts hear `used`. */
export async function lookAtSettings() {
  const mine = ++run;
  const chat = state.chatId ? `?chat=${encodeURIComponent(state.chatId)}` : "";
  try {
    const [model, both] = await Promise.all([get("api/settings/used"), chat && get(`api/settings/used${chat}`)]);
    if (mine !== run) return;
    used.model = model.fields;
    used.chat = both ? both.fields : over(model.fields, own);
    emit("used");
  } catch {
    // no answer: the page says elsewhere that the connection broke
  }
}

/** Settings of a chat that is not made yet. @param {Record<string, Setting>} fields @param {any} settings */
function over(fields, settings) {
  const { sampling = {}, variables, ...others } = settings;
  const given = Object.entries({ ...others, ...sampling }).filter(([, value]) => value !== null && value !== undefined);
  return { ...fields, ...Object.fromEntries(given.map(([name, value]) => [name, { value, origin: "chat", source: "", date: "" }])) };
}

/** Keep a value, or forget it if it is null. @param {"chat" | "model" | "all"} scope @param {Record<string, any>} values */
export async function keep(scope, values) {
  if (scope === "chat") return emit("wish", values); // the open chat may not be made yet: its owner keeps it
  await patch(`api/settings/${scope}`, values).catch(complain);
  await lookAtSettings();
}

/** A chat's settings with fields set anew; null forgets one. @param {any} settings @param {Record<string, any>} values */
export function changed(settings, values) {
  const { sampling = {}, ...others } = settings;
  const numbers = { ...sampling };
  for (const [name, value] of Object.entries(values)) (SAMPLING.has(name) ? numbers : others)[name] = value;
  const filled = (object) => Object.fromEntries(Object.entries(object).filter(([, value]) => value !== null && value !== undefined));
  const rest = filled(numbers);
  return { ...filled(others), ...(Object.keys(rest).length ? { sampling: rest } : {}) };
}

for (const name of ["settings", "chat"]) {
  on(name, (settings) => {
    own = settings ?? {};
    lookAtSettings();
  });
}
on("models", () => {
  const now = `${state.chosen} ${state.engine.state === "ready"}`;
  if (now === known) return;
  known = now;
  lookAtSettings();
});
