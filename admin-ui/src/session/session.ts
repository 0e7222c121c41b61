/**
 * Who is signed in. The access token lives in this module's memory alone; the refresh token is a cookie that scripts
 * cannot read. One tab refreshes at a time, because a refresh token that is used twice ends the session.
 */

import type { components } from "../api/schema";

export type Me = components["schemas"]["MeView"];

export type SessionAnswer = components["schemas"]["SessionView"];

export type SessionState = { kind: "starting" } | { kind: "out" } | { kind: "in"; me: Me };

/** A token is renewed this long before it ends. */
const RENEW_BEFORE_MS = 60_000;
/** A clock that is set oddly must not make us ask all the time. */
const RENEW_AFTER_LEAST_MS = 5_000;
const LOCK = "tollgate-session-refresh";

let token: { text: string; endsAt: number } | undefined;
let state: SessionState = { kind: "starting" };
let timer: ReturnType<typeof setTimeout> | undefined;
const listeners = new Set<() => void>();
const neighbours = typeof BroadcastChannel === "undefined" ? undefined : new BroadcastChannel("tollgate-session");

neighbours?.addEventListener("message", (event: MessageEvent<string>) => {
  if (event.data === "out") leave();
});

function become(next: SessionState): void {
  state = next;
  for (const listener of listeners) listener();
}

export function currentSession(): SessionState {
  return state;
}

export function watchSession(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function accept(answer: SessionAnswer): void {
  token = { text: answer.access_token, endsAt: Date.parse(answer.expires_at) };
  const wait = Math.max(token.endsAt - Date.now() - RENEW_BEFORE_MS, RENEW_AFTER_LEAST_MS);
  clearTimeout(timer);
  timer = setTimeout(() => void refresh(), wait);
  become({ kind: "in", me: answer.me });
}

/** Changes what is known of the person without a new token, as after a second factor was set up. */
export function updateMe(me: Me): void {
  become({ kind: "in", me });
}

function leave(): void {
  token = undefined;
  clearTimeout(timer);
  become({ kind: "out" });
}

let refreshing: Promise<boolean> | undefined;

/** Whether there is a session now. */
export function refresh(): Promise<boolean> {
  refreshing ??= exclusively(askForRefresh).finally(() => {
    refreshing = undefined;
  });
  return refreshing;
}

async function exclusively(work: () => Promise<boolean>): Promise<boolean> {
  // Web Locks need a secure context; plain HTTP on a host name has none, and then there is only this tab's own care.
  return navigator.locks ? await navigator.locks.request(LOCK, work) : work();
}

async function askForRefresh(): Promise<boolean> {
  let response: Response;
  try {
    response = await fetch("/admin/v1/session/refresh", {
      method: "POST",
      headers: { "X-Tollgate-Session": "refresh" },
      credentials: "same-origin",
    });
  } catch {
    // The gateway is away. Whoever is signed in stays so until it says otherwise.
    if (state.kind === "starting") become({ kind: "out" });
    return false;
  }
  if (response.ok) {
    accept((await response.json()) as SessionAnswer);
    return true;
  }
  if (response.status < 500 || state.kind === "starting") leave();
  return false;
}

export async function signOut(): Promise<void> {
  await sessionFetch(
    new Request("/admin/v1/session", { method: "DELETE", headers: { "X-Tollgate-Session": "end" } }),
  ).catch(() => undefined);
  neighbours?.postMessage("out");
  leave();
}

/** `fetch` as the person who is signed in. An access token that has ended is renewed once. */
export async function sessionFetch(request: Request): Promise<Response> {
  const again = request.clone();
  const sent = token?.text;
  const response = await send(request, sent);
  if (response.status !== 401 || sent === undefined) return response;
  if (token?.text === sent && !(await refresh())) return response;
  return send(again, token?.text);
}

function send(request: Request, bearer: string | undefined): Promise<Response> {
  if (bearer) request.headers.set("Authorization", `Bearer ${bearer}`);
  return fetch(request, { credentials: "same-origin" });
}
