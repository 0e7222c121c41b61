// Pages that were built apart from the binary (PAGES=admin-ui/dist), before a gateway that serves all the rest: what changed in
// them is seen without building the gateway anew. Its page's headers, policy and nonce stay those of the gateway.

import { readFile } from "node:fs/promises";
import { createServer, request as ask } from "node:http";
import { extname, join, normalize } from "node:path";

const TYPES = { ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml", ".woff2": "font/woff2" };

export async function startFront(folder, admin) {
  const server = createServer(async (request, response) => {
    const path = normalize(new URL(request.url, admin).pathname);
    const type = TYPES[extname(path)];
    const packed = type && (await readFile(join(folder, `${path}.gz`)).catch(() => undefined));
    const file = packed ?? (type && (await readFile(join(folder, path)).catch(() => undefined)));
    if (file) {
      response.writeHead(200, { "content-type": type, "cache-control": "no-cache", ...(packed ? { "content-encoding": "gzip" } : {}) });
      response.end(file);
      return;
    }
    const { hostname, port } = new URL(admin);
    const passed = ask({ hostname, port, method: request.method, path: request.url, headers: request.headers }, async (answer) => {
      const nonce = /'nonce-([^']+)'/.exec(answer.headers["content-security-policy"] ?? "")?.[1];
      if (!nonce) {
        response.writeHead(answer.statusCode, answer.headers);
        answer.pipe(response);
        return;
      }
      answer.resume();
      const { "content-length": _, ...headers } = answer.headers;
      const page = await readFile(join(folder, "index.html"), "utf8");
      response.writeHead(answer.statusCode, headers);
      response.end(page.replace("TOLLGATE-CSP-NONCE", nonce));
    });
    passed.on("error", () => response.destroy());
    request.pipe(passed);
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  return {
    address: `http://127.0.0.1:${server.address().port}`,
    stop: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}
