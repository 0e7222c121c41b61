import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

/// Where `make run` listens; the development server passes the REST on to it.
const gateway = process.env.TOLLGATE_ADMIN ?? "http://127.0.0.1:8081";

export default defineConfig({
  plugins: [react()],
  server: {
    // Templates and the host API's types are read from ../scripts.
    fs: { allow: [".."] },
    proxy: { "/admin/v1": gateway },
  },
  build: {
    target: "es2022",
    // A strict CSP allows no data: fonts; everything is a file of its own.
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 400,
  },
  test: { include: ["src/**/*.test.ts"] },
});
