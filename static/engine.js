// Models as data: which there are, which one is loaded, what is on its way.
import { get, post } from "./api.js";
import { emit, state } from "./state.js";
import { complain } from "./toast.js";

const QUICK_MS = 600;
const SLOW_MS = 10000;
let timer = 0;

/** True while something loads or downloads. */
export const busy = () => state.engine.state === "loading" || state.downloads.some((item) => item.state === "running");

/** Fetch the state of models; other parts hear `models`. Looks again soon while something moves, else now and then. */
export async function look() {
  clearTimeout(timer);
  try {
    const { models, engine, downloads, chosen } = await get("api/models");
    const arrived = state.downloads.some((item) => item.state === "running") && !downloads.some((item) => item.state === "running");
    Object.assign(state, { models, engine, downloads, chosen: chosen ?? "", modelsKnown: true });
    emit("models");
    if (arrived && engine.state === "none" && models.length === 1) load(models[0].ref).catch(complain); // the first model: it was fetched to be used
  } catch {
    // no answer: the composer says so when something is sent; keep looking
  }
  timer = setTimeout(() => (document.visibilityState === "visible" ? look() : wait()), busy() ? QUICK_MS : SLOW_MS);
}

function wait() {
  document.addEventListener("visibilitychange", look, { once: true });
}

/** @param {string} ref a name in the library, or a path @param {object} [settings] @param {boolean} [force] though it seems not to fit */
export async function load(ref, settings, force = false) {
  await post("api/models/load", settings ? { ref, settings, force } : { ref });
  await look();
}

export async function unload() {
  await post("api/models/unload").catch(complain);
  await look();
}

export async function downloadStarter() {
  await post("api/downloads", { ref: "starter" }).catch(complain);
  await look();
}

/** What answers next: the loaded model, the one being loaded, or the one that would be. */
export function modelName() {
  if (state.engine.state === "ready" || state.engine.state === "loading") return state.engine.name;
  return state.models.find((model) => model.ref === state.chosen)?.name ?? state.models[0]?.name ?? "";
}
