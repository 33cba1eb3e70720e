/** The requests of the labelling page; null where the server cannot be reached. */

import { config } from "./page.js";

/** @returns {Promise<Response>} */
function post(path, body, options = {}, headers = {}) {
  return fetch(config.api + path, {
    method: "POST",
    credentials: "same-origin",
    headers: { Accept: "application/json", "Content-Type": "application/json", "X-CSRF-Token": config.csrf, ...headers },
    body: JSON.stringify(body),
    ...options,
  });
}

/** Send a decision; its key lets the server count it once. */
export function sendAnswer(answer) {
  return post(answer.path, answer.body, {}, { "Idempotency-Key": answer.key });
}

export function fetchTasks(n) {
  return post("/tasks", { n }).catch(() => null);
}

export function renewLease(textId) {
  return post("/tasks/renew", { text_id: textId }).catch(() => null);
}

/** Give a text back, also while the page is being left. */
export function releaseTask(textId) {
  return post("/tasks/release", { text_id: textId }, { keepalive: true }).catch(() => null);
}

export async function fetchPace(since) {
  const response = await fetch(`${config.api}/progress?since=${since}`, { credentials: "same-origin" }).catch(() => null);
  return response?.ok ? response.json() : null;
}
