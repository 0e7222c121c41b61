import {
  createRootRoute,
  createRoute,
  createRouter,
  Link,
  lazyRouteComponent,
  Navigate,
  Outlet,
  redirect,
} from "@tanstack/react-router";
import { Frame } from "./frame/Frame";
import { useTexts } from "./language/language";
import { Failed } from "./parts/Failed";
import { parseSearch, stringifySearch } from "./parts/filters";
import { Page } from "./parts/Page";
import { words } from "./parts/words";
import { useMe } from "./session/permissions";
import { SignIn } from "./session/SignIn";
import { currentSession } from "./session/session";

type Search = Record<string, string>;

function NotFound() {
  const t = useTexts(words);
  return (
    <Page title={t.notFound} intro={t.notFoundHint}>
      <Link to="/">{t.toStart}</Link>
    </Page>
  );
}

/** Where there is no frame around it. */
function NothingHere() {
  return (
    <main>
      <NotFound />
    </main>
  );
}

function Broken({ error, reset }: { error: unknown; reset: () => void }) {
  return (
    <div className="tg-page">
      <Failed error={error} retry={reset} />
    </div>
  );
}

const root = createRootRoute({
  component: Outlet,
  notFoundComponent: NothingHere,
  validateSearch: (search: Search): Search => search,
});

const signIn = createRoute({ getParentRoute: () => root, path: "/sign-in", component: SignIn });
const setUp = createRoute({
  getParentRoute: () => root,
  path: "/set-up",
  component: lazyRouteComponent(() => import("./session/SetUp"), "SetUp"),
});
const invitation = createRoute({
  getParentRoute: () => root,
  path: "/invitations/$token",
  component: lazyRouteComponent(() => import("./session/Invitation"), "Invitation"),
});

const inside = createRoute({
  getParentRoute: () => root,
  id: "inside",
  component: Frame,
  beforeLoad: ({ location }) => {
    if (currentSession().kind !== "in") {
      throw redirect({ to: "/sign-in", search: location.pathname === "/" ? {} : { to: location.href }, replace: true });
    }
  },
});

/** Where somebody starts: operators at all merchants, staff at theirs. */
function Start() {
  const me = useMe();
  const only = me.memberships[0];
  return <Navigate to={me.operator_role || !only ? "/overview" : `/m/${only.merchant.slug}/overview`} replace />;
}

// biome-ignore lint/suspicious/noExplicitAny: the router's own type of a lazily loaded component
type Loader = () => Promise<any>;

function inner(path: string, load: Loader, name: string) {
  return createRoute({ getParentRoute: () => inside, path, component: lazyRouteComponent(load, name) });
}

const merchant = createRoute({ getParentRoute: () => inside, path: "/m/$merchant" });

function of(path: string, load: Loader, name: string) {
  return createRoute({ getParentRoute: () => merchant, path, component: lazyRouteComponent(load, name) });
}

const tree = root.addChildren([
  signIn,
  setUp,
  invitation,
  inside.addChildren([
    createRoute({ getParentRoute: () => inside, path: "/", component: Start }),
    inner("/overview", () => import("./pages/overview/Overview"), "AllOverview"),
    inner("/merchants", () => import("./pages/merchants/Merchants"), "Merchants"),
    inner("/people", () => import("./pages/people/People"), "OperatorPeople"),
    inner("/audit", () => import("./pages/audit/Audit"), "OperatorAudit"),
    inner("/certificates", () => import("./pages/certificates/ServerCertificates"), "ServerCertificates"),
    inner("/settings", () => import("./pages/settings/Settings"), "Settings"),
    createRoute({ getParentRoute: () => inside, path: "$", component: NotFound }),
    merchant.addChildren([
      createRoute({ getParentRoute: () => merchant, path: "/", component: () => <Navigate to="./overview" replace /> }),
      of("/overview", () => import("./pages/overview/Overview"), "MerchantOverview"),
      of("/setup", () => import("./pages/merchants/Merchant"), "Merchant"),
      of("/payments", () => import("./pages/payments/Payments"), "Payments"),
      of("/payments/$payment", () => import("./pages/payments/Payment"), "Payment"),
      of("/decisions/$decision", () => import("./pages/payments/DecisionPage"), "DecisionPage"),
      of("/rules", () => import("./pages/rules/Workbench"), "Workbench"),
      of("/lab", () => import("./pages/lab/Lab"), "Lab"),
      of("/connections", () => import("./pages/connections/Connections"), "Connections"),
      of("/connections/$connection", () => import("./pages/connections/Connection"), "Connection"),
      of("/lists", () => import("./pages/lists/Lists"), "Lists"),
      of("/lists/$list", () => import("./pages/lists/List"), "List"),
      of("/webhooks", () => import("./pages/webhooks/Webhooks"), "Webhooks"),
      of("/webhooks/$endpoint", () => import("./pages/webhooks/Endpoint"), "Endpoint"),
      of("/wire", () => import("./pages/wire/Wire"), "Wire"),
      of("/reconcile", () => import("./pages/reconcile/Reconcile"), "Reconcile"),
      of("/reconcile/$settlement", () => import("./pages/reconcile/Settlement"), "Settlement"),
      of("/limits", () => import("./pages/limits/Limits"), "Limits"),
      of("/keys", () => import("./pages/keys/Keys"), "Keys"),
      of("/people", () => import("./pages/people/People"), "MerchantPeople"),
      of("/audit", () => import("./pages/audit/Audit"), "MerchantAudit"),
      of("/certificates", () => import("./pages/certificates/Certificates"), "Certificates"),
      createRoute({ getParentRoute: () => merchant, path: "$", component: NotFound }),
    ]),
  ]),
]);

export const router = createRouter({
  routeTree: tree,
  parseSearch,
  stringifySearch,
  defaultErrorComponent: Broken,
  defaultNotFoundComponent: NothingHere,
  defaultPreload: "intent",
  scrollRestoration: true,
});
