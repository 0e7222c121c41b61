import {
  ActionIcon,
  Burger,
  Drawer,
  Kbd,
  Menu,
  Modal,
  Tooltip,
  UnstyledButton,
  useMantineColorScheme,
} from "@mantine/core";
import { useDisclosure, useHotkeys } from "@mantine/hooks";
import {
  IconLanguage,
  IconLogout,
  IconMoon,
  IconSearch,
  IconSettings,
  IconSun,
  IconUserCircle,
} from "@tabler/icons-react";
import { Link, Outlet, useMatches, useNavigate, useParams, useRouter } from "@tanstack/react-router";
import { Fragment, lazy, Suspense, useEffect, useRef } from "react";
import { useConnections } from "../api/merchants";
import { setLanguage, useLanguage, useTexts } from "../language/language";
import { isTest } from "../pages/connections/address";
import { isTyping, useKeys } from "../parts/keys";
import { words } from "../parts/words";
import { Outside } from "../session/Outside";
import { may, useMe, useSession } from "../session/permissions";
import { refresh, signOut } from "../session/session";
import { sessionWords } from "../session/words";
import { useMerchantAt } from "./at";
import "./frame.css";
import { Banners } from "./Banners";
import { Logo } from "./Logo";
import { MerchantSwitcher } from "./MerchantSwitcher";
import { MERCHANT_NAV, type NavItem, navWords, OPERATOR_NAV } from "./nav";

const SecondFactor = lazy(() => import("../session/SecondFactor").then((module) => ({ default: module.SecondFactor })));
const Search = lazy(() => import("./Search").then((module) => ({ default: module.Search })));

export function Frame() {
  const session = useSession();
  // Between signing out and the page for that, there is nobody to show anything to.
  if (session.kind !== "in") return null;
  return session.me.must_set_second_factor ? <FactorFirst /> : <Framed />;
}

/** Who must have a second factor sets it up before anything else. */
function FactorFirst() {
  const t = useTexts(sessionWords);
  return (
    <Outside title={t.secondFactor} hint={t.secondFactorHint}>
      <Suspense>
        <SecondFactor onDone={() => void refresh()} />
      </Suspense>
    </Outside>
  );
}

function Framed() {
  const t = useTexts(navWords);
  const say = useTexts(words);
  const [drawer, setDrawer] = useDisclosure();
  const [searching, setSearching] = useDisclosure();
  const [helping, setHelping] = useDisclosure();
  useHotkeys([["mod+K", () => setSearching.open()]], []);
  useShortcuts(setHelping.open);
  const test = useTestConnections();
  // Another merchant's page, or another payment's, begins anew: nothing that was typed or read for the one before stays in it.
  const address = useMatches({ select: (matches) => matches.at(-1)?.pathname });
  return (
    <div className="tg-frame" data-test={test || undefined}>
      <a className="skip-link" href="#content">
        {t.skip}
      </a>
      <aside className="tg-side">
        <Side />
      </aside>
      <Drawer
        opened={drawer}
        onClose={setDrawer.close}
        size={260}
        padding={0}
        withCloseButton={false}
        title={t.main}
        classNames={{ header: "tg-hidden" }}
      >
        <div className="tg-side-narrow" data-test={test || undefined}>
          <Side onGo={setDrawer.close} />
        </div>
      </Drawer>
      <div className="tg-main">
        <section className="tg-top" aria-label={t.tools}>
          <Burger
            className="tg-burger"
            size="sm"
            opened={drawer}
            onClick={setDrawer.toggle}
            aria-label={say.openMenu}
          />
          <UnstyledButton className="tg-search-open" onClick={setSearching.open}>
            <IconSearch size={15} />
            <span>{t.searchHint}</span>
            <Kbd size="xs">⌘K</Kbd>
          </UnstyledButton>
          {test && (
            <span className="tg-test-mark" title={t.testHint(test)}>
              {t.test}
            </span>
          )}
          <Account />
        </section>
        <Banners />
        <main id="content" tabIndex={-1}>
          <Fragment key={address}>
            <Outlet />
          </Fragment>
        </main>
      </div>
      {searching && (
        <Suspense>
          <Search onClose={setSearching.close} />
        </Suspense>
      )}
      <Modal
        opened={helping}
        onClose={setHelping.close}
        title={t.keys_}
        size="sm"
        closeButtonProps={{ "aria-label": say.close }}
      >
        <table className="tg-keys">
          <tbody>
            {t.keysHelp.map(([key, what]) => (
              <tr key={key}>
                <td>
                  {key?.split(" / ").map((one, at) => (
                    <span key={one}>
                      {at > 0 && " / "}
                      <Kbd>{one}</Kbd>
                    </span>
                  ))}
                </td>
                <td>{what}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </Modal>
    </div>
  );
}

/** Names of the merchant's connections whose network is played, if there are any. */
function useTestConnections(): string | undefined {
  const { merchant } = useParams({ strict: false }) as { merchant?: string };
  const me = useMe();
  const allowed = merchant !== undefined && may(me, "connections:read", merchant);
  const connections = useConnections(merchant ?? "", allowed);
  const tests = connections.data?.data.filter(
    ({ status, config }) => status === "active" && isTest(config as Record<string, unknown>),
  );
  return allowed && tests?.length ? tests.map(({ slug }) => slug).join(", ") : undefined;
}

/** A second key that follows `g` later than this is a key of its own. */
const CHORD_MS = 900;

function useShortcuts(help: () => void): void {
  const navigate = useNavigate();
  const router = useRouter();
  const merchant = useMerchantAt();
  const chord = useRef(0);
  const go = (page: string) => () => {
    if (performance.now() - chord.current < CHORD_MS && merchant) void navigate({ to: `/m/${merchant}/${page}` });
  };
  useKeys({
    g: () => {
      chord.current = performance.now();
    },
    p: go("payments"),
    r: go("rules"),
    w: go("webhooks"),
    x: go("wire"),
    o: go("overview"),
    "?": help,
    "/": (event) => {
      const field = document.querySelector<HTMLInputElement>(".tg-filters input");
      if (field) {
        event.preventDefault();
        field.focus();
      }
    },
  });
  useEffect(() => {
    const back = (event: KeyboardEvent) => {
      if (event.key !== "Escape" || event.defaultPrevented || document.querySelector("[role=dialog], [role=menu]"))
        return;
      if (isTyping(event.target)) (event.target as HTMLElement).blur();
      else router.history.back();
    };
    window.addEventListener("keydown", back);
    return () => window.removeEventListener("keydown", back);
  }, [router]);
}

function Side({ onGo }: { onGo?: () => void }) {
  const merchant = useMerchantAt();
  const me = useMe();
  const t = useTexts(navWords);
  const groups = merchant ? MERCHANT_NAV : me.operator_role ? OPERATOR_NAV : [];
  return (
    <>
      <Link to="/" className="tg-brand" onClick={onGo}>
        <Logo /> Tollgate
      </Link>
      <MerchantSwitcher />
      <nav aria-label={t.main} className="tg-nav">
        {groups.map((group) => (
          <ul key={group[0]?.key}>
            {group
              .filter((item) => item.needs === undefined || may(me, item.needs, merchant))
              .map((item) => (
                <Item key={item.key} item={item} base={merchant ? `/m/${merchant}/` : ""} onGo={onGo} />
              ))}
          </ul>
        ))}
      </nav>
    </>
  );
}

function Item({ item, base, onGo }: { item: NavItem; base: string; onGo: (() => void) | undefined }) {
  const t = useTexts(navWords);
  const Icon = item.icon;
  return (
    <li>
      <Link to={base + item.path} className="tg-nav-item" activeProps={{ "data-active": true }} onClick={onGo}>
        <Icon size={16} stroke={1.7} aria-hidden="true" />
        {t[item.key]}
      </Link>
    </li>
  );
}

function Account() {
  const me = useMe();
  const t = useTexts(navWords);
  const language = useLanguage();
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  const dark =
    colorScheme === "dark" || (colorScheme === "auto" && window.matchMedia("(prefers-color-scheme: dark)").matches);
  return (
    <div className="tg-inline tg-account">
      <Tooltip label={t.theme}>
        <ActionIcon
          variant="subtle"
          color="gray"
          aria-label={t.theme}
          onClick={() => setColorScheme(dark ? "light" : "dark")}
        >
          {dark ? <IconSun size={18} /> : <IconMoon size={18} />}
        </ActionIcon>
      </Tooltip>
      <Menu position="bottom-end" width={220}>
        <Menu.Target>
          <ActionIcon variant="subtle" color="gray" aria-label={t.account}>
            <IconUserCircle size={20} />
          </ActionIcon>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Label>
            {me.name}
            <br />
            {me.email}
          </Menu.Label>
          <Menu.Item leftSection={<IconSettings size={16} />} component={Link} to="/settings">
            {t.settings}
          </Menu.Item>
          <Menu.Item
            leftSection={<IconLanguage size={16} />}
            lang={language === "ru" ? "en" : "ru"}
            onClick={() => setLanguage(language === "ru" ? "en" : "ru")}
          >
            {t.languageSwitch}
          </Menu.Item>
          <Menu.Divider />
          <Menu.Item leftSection={<IconLogout size={16} />} onClick={() => void signOut()}>
            {t.signOut}
          </Menu.Item>
        </Menu.Dropdown>
      </Menu>
    </div>
  );
}
