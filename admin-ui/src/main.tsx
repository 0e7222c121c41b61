import "@mantine/core/styles.css";
import "./styles.css";
import "./parts/parts.css";
import "./parts/rows.css";
import { MantineProvider } from "@mantine/core";
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { setNonce } from "get-nonce";
import { StrictMode, useEffect } from "react";
import { createRoot } from "react-dom/client";
import { ProblemError } from "./api/client";
import { language } from "./language/language";
import { nonce } from "./nonce";
import { Toasts } from "./parts/Toasts";
import { router } from "./router";
import { useSession } from "./session/permissions";
import { refresh } from "./session/session";
import { theme } from "./theme";

/** What was read is shown at once when one comes back to it, and looked at anew behind that. */
const FRESH_MS = 5_000;
const RETRIES = 2;

const queries = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: FRESH_MS,
      // What the gateway refused it refuses again; what did not arrive may arrive.
      retry: (count, error) => count < RETRIES && !(error instanceof ProblemError && error.problem.status < 500),
    },
  },
});

function App() {
  const session = useSession();
  // Who is signed in decides which pages there are.
  useEffect(() => {
    if (session.kind === "out") queries.clear();
    if (session.kind !== "starting") void router.invalidate();
  }, [session.kind]);
  if (session.kind === "starting") return null;
  return (
    <>
      <RouterProvider router={router} />
      <Toasts />
    </>
  );
}

document.documentElement.lang = language();
setNonce(nonce ?? "");
void refresh();
createRoot(document.getElementById("root") as HTMLElement).render(
  <StrictMode>
    <MantineProvider theme={theme} defaultColorScheme="auto" getStyleNonce={() => nonce ?? ""}>
      <QueryClientProvider client={queries}>
        <App />
      </QueryClientProvider>
    </MantineProvider>
  </StrictMode>,
);
