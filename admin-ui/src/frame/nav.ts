import {
  IconActivity,
  IconArrowsExchange,
  IconBuildingStore,
  IconCertificate,
  IconCode,
  IconDeviceDesktop,
  IconFileCheck,
  IconGauge,
  IconHistory,
  IconKey,
  IconList,
  IconPlug,
  IconReceipt2,
  IconScale,
  IconSettings,
  IconUsers,
  IconWebhook,
} from "@tabler/icons-react";
import { texts } from "../language/language";

export const navWords = texts(
  {
    overview: "Overview",
    payments: "Payments",
    rules: "Rules",
    lab: "Terminal lab",
    connections: "Connections",
    lists: "Lists",
    webhooks: "Webhooks",
    wire: "Wire log",
    reconcile: "Reconcile",
    limits: "Limits",
    keys: "API keys",
    people: "People",
    audit: "Audit",
    certificates: "Certificates",
    settings: "Settings",
    merchants: "Merchants",
    merchant: "Merchant",
    decisions: "Decisions",
    allMerchants: "All merchants",
    switchMerchant: "Switch merchant",
    findMerchant: "Find a merchant",
    noMerchant: "No merchant matches",
    main: "Main",
    search: "Search",
    tools: "Search and account",
    searchHint: "Any id, account or page",
    theme: "Light or dark",
    languageSwitch: "По-русски",
    signOut: "Sign out",
    account: "Your account",
    skip: "Skip to content",
    keys_: "Keyboard shortcuts",
    keysHelp: [
      ["⌘K / Ctrl K", "search"],
      ["/", "first filter of the page"],
      ["j / k", "down and up in a list"],
      ["Enter", "open the marked row"],
      ["Esc", "back, or close"],
      ["g p", "payments"],
      ["g r", "rules"],
      ["g w", "webhooks"],
      ["g x", "wire log"],
      ["g o", "overview"],
      ["?", "this list"],
    ],
  },
  {
    overview: "Обзор",
    payments: "Платежи",
    rules: "Правила",
    lab: "Терминал",
    connections: "Подключения",
    lists: "Списки",
    webhooks: "Вебхуки",
    wire: "Журнал обмена",
    reconcile: "Сверка",
    limits: "Лимиты",
    keys: "Ключи API",
    people: "Люди",
    audit: "Аудит",
    certificates: "Сертификаты",
    settings: "Настройки",
    merchants: "Мерчанты",
    merchant: "Мерчант",
    decisions: "Решения",
    allMerchants: "Все мерчанты",
    switchMerchant: "Сменить мерчанта",
    findMerchant: "Найти мерчанта",
    noMerchant: "Такого мерчанта нет",
    main: "Основное меню",
    search: "Поиск",
    tools: "Поиск и учётная запись",
    searchHint: "Любой номер, счёт или страница",
    theme: "Светлая или тёмная",
    languageSwitch: "In English",
    signOut: "Выйти",
    account: "Ваша учётная запись",
    skip: "К содержанию",
    keys_: "Клавиши",
    keysHelp: [
      ["⌘K / Ctrl K", "поиск"],
      ["/", "первый фильтр страницы"],
      ["j / k", "вниз и вверх по списку"],
      ["Enter", "открыть отмеченную строку"],
      ["Esc", "назад или закрыть"],
      ["g p", "платежи"],
      ["g r", "правила"],
      ["g w", "вебхуки"],
      ["g x", "журнал обмена"],
      ["g o", "обзор"],
      ["?", "этот список"],
    ],
  },
);

export interface NavItem {
  key: keyof Omit<(typeof navWords)["en"], "keysHelp">;
  path: string;
  icon: typeof IconActivity;
  /** What one must be allowed to do to see it. */
  needs?: string;
}

/** Of one merchant; paths are under `/m/{merchant}`. */
export const MERCHANT_NAV: NavItem[][] = [
  [
    { key: "overview", path: "overview", icon: IconActivity },
    { key: "payments", path: "payments", icon: IconReceipt2, needs: "payments:read" },
    { key: "rules", path: "rules", icon: IconCode, needs: "rules:read" },
    { key: "lab", path: "lab", icon: IconDeviceDesktop, needs: "terminal_lab:write" },
    { key: "connections", path: "connections", icon: IconPlug, needs: "connections:read" },
    { key: "lists", path: "lists", icon: IconList, needs: "lists:read" },
    { key: "webhooks", path: "webhooks", icon: IconWebhook, needs: "webhooks:read" },
    { key: "wire", path: "wire", icon: IconArrowsExchange, needs: "exchanges:read" },
    { key: "reconcile", path: "reconcile", icon: IconScale, needs: "settlements:read" },
  ],
  [
    { key: "merchant", path: "setup", icon: IconFileCheck, needs: "merchants:read" },
    { key: "limits", path: "limits", icon: IconGauge, needs: "limits:read" },
    { key: "keys", path: "keys", icon: IconKey, needs: "api_keys:read" },
    { key: "people", path: "people", icon: IconUsers, needs: "people:read" },
    { key: "audit", path: "audit", icon: IconHistory, needs: "audit:read" },
    { key: "certificates", path: "certificates", icon: IconCertificate, needs: "certificates:read" },
  ],
];

/** Of the installation. */
export const OPERATOR_NAV: NavItem[][] = [
  [
    { key: "overview", path: "/overview", icon: IconActivity, needs: "merchants:list" },
    { key: "merchants", path: "/merchants", icon: IconBuildingStore, needs: "merchants:list" },
  ],
  [
    { key: "people", path: "/people", icon: IconUsers, needs: "operators:read" },
    { key: "certificates", path: "/certificates", icon: IconCertificate, needs: "installation_certificates:read" },
    { key: "audit", path: "/audit", icon: IconHistory, needs: "installation_audit:read" },
  ],
];

export const SETTINGS: NavItem = { key: "settings", path: "/settings", icon: IconSettings };
