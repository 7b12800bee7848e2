// Following a turn: its events from the first one on, over breaks of the connection, until it ends.
import { at } from "./api.js";

const EVENTS = [
  "RoundStarted", "MessageStarted", "Queued", "PromptProgress", "ReasoningDelta", "TextDelta", "ToolCallDelta", "RoundFinished",
  "ApprovalNeeded", "ApprovalGiven", "ToolStarted", "ToolOutput", "ToolFinished", "Notice", "TurnFinished", "TurnFailed",
];

/**
 * @param {string} turnId
 * @param {(name: string, data: any) => void} listener also hears `Broken` and `Mended`, and `Lost` when the server knows the turn no more
 * @returns {() => void} what ends it
 */
export function follow(turnId, listener) {
  const source = new EventSource(at(`api/turns/${turnId}/events`));
  let broken = false;
  for (const name of EVENTS) {
    source.addEventListener(name, (event) => {
      if (name === "TurnFinished" || name === "TurnFailed") source.close();
      listener(name, JSON.parse(event.data));
    });
  }
  source.onopen = () => {
    if (broken) listener("Mended", {});
    broken = false;
  };
  source.onerror = () => {
    if (source.readyState === EventSource.CLOSED) return listener("Lost", {});
    if (!broken) listener("Broken", {});
    broken = true;
  };
  return () => source.close();
}
