import createClient from "openapi-fetch";
import { sessionFetch } from "../session/session";
import type { components, paths } from "./schema";

export type Schema = components["schemas"];

/** The typed client of the admin REST. Its paths and bodies are those of docs/openapi.json, or the build fails. */
export const api = createClient<paths>({ baseUrl: "/", fetch: (request) => sessionFetch(request) });

/** What went wrong, as the gateway tells it (RFC 9457). */
export interface Problem {
  code: string;
  title: string;
  status: number;
  detail: string;
  field?: string;
  checks?: unknown;
}

export class ProblemError extends Error {
  constructor(readonly problem: Problem) {
    super(problem.detail);
  }
}

export function isProblem(error: unknown, code: string): boolean {
  return error instanceof ProblemError && error.problem.code === code;
}

function readProblem(body: unknown, response: Response): ProblemError {
  const told = typeof body === "object" && body !== null && "code" in body ? (body as Problem) : undefined;
  return new ProblemError(
    told ?? {
      code: "unreadable",
      title: response.statusText,
      status: response.status,
      detail: `HTTP ${response.status}`,
    },
  );
}

interface Answered<T> {
  data?: T;
  error?: unknown;
  response: Response;
}

/** The body of an answer, or a ProblemError. */
export async function answer<T>(call: Promise<Answered<T>>): Promise<T> {
  const { data, error, response } = await call;
  if (!response.ok) throw readProblem(error, response);
  return data as T;
}

/** For what OpenAPI cannot tell: uploads, and texts. */
export async function ask<T>(
  method: string,
  path: string,
  body?: unknown,
  headers?: Record<string, string>,
): Promise<T> {
  const raw = body instanceof Blob;
  const response = await sessionFetch(
    new Request(path, {
      method,
      headers: { ...(body !== undefined && !raw ? { "content-type": "application/json" } : {}), ...headers },
      body: body === undefined ? undefined : raw ? body : JSON.stringify(body),
    }),
  );
  const text = await response.text();
  const json = response.headers.get("content-type")?.includes("json") ?? false;
  const read: unknown = json && text ? JSON.parse(text) : text;
  if (!response.ok) throw readProblem(read, response);
  return read as T;
}

/** JSON as it is on the wire, for numbers that JavaScript would round. */
export async function askJson(method: string, path: string, body?: string): Promise<string> {
  const headers: Record<string, string> = body === undefined ? {} : { "content-type": "application/json" };
  const response = await sessionFetch(new Request(path, { method, headers, body }));
  const text = await response.text();
  if (!response.ok) throw readProblem(text ? JSON.parse(text) : undefined, response);
  return text;
}
