import { useSyncExternalStore } from "react";
import { currentSession, type Me, type SessionState, watchSession } from "./session";

export function useSession(): SessionState {
  return useSyncExternalStore(watchSession, currentSession);
}

/** Pages under the frame are shown to people who are signed in only. */
export function useMe(): Me {
  const session = useSession();
  if (session.kind !== "in") throw new Error("nobody is signed in");
  return session.me;
}

/** Whether the person may do it: `payments:read`. The server decides; this only hides what would be refused. */
export function may(me: Me, action: string, merchant?: string): boolean {
  const everywhere = me.permissions["*"] ?? [];
  const here = merchant === undefined ? [] : (me.permissions[merchant] ?? []);
  return grants(everywhere, action) || grants(here, action);
}

function grants(granted: string[], action: string): boolean {
  const resource = action.split(":")[0];
  return granted.includes("*") || granted.includes(action) || granted.includes(`${resource}:*`);
}

export function useMay(action: string, merchant?: string): boolean {
  return may(useMe(), action, merchant);
}
