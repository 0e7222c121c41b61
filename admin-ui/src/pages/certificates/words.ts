import { texts } from "../../language/language";

export const serverWords = texts(
  {
    title: "Certificates",
    intro: "What our TLS listeners show to whoever calls, by the name that was called.",
    add: "Add a certificate",
    empty: "No server certificate yet",
    emptyText:
      "Without one, TLS listeners have nothing to show. Upload a chain with its key; under one name the newest counts.",
    names: "Names",
    merchant: "Merchant",
    all: "the installation",
    clients: "Certificates of callers",
    modes: { off: "not asked for", allowed: "asked for", required: "required" } as Record<string, string>,
    ends: "Ends",
    pem: "Chain and key (PEM)",
    pemHint: "In any order. Or a PKCS12 file below.",
    file: "Or drop a .p12 here, or choose a file",
    password: "Password of the file",
    remove: "Remove",
    removeText:
      "Whoever calls by these names is shown an older certificate of theirs, or none: their handshake fails then.",
    authority: "Our own authority",
    authorityText: "It issues the certificates that networks show us. Who checks them elsewhere needs its certificate.",
    subject: "Subject",
    copy: "Its certificate (PEM)",
  },
  {
    title: "Сертификаты",
    intro: "Что наши TLS-адреса показывают тем, кто обращается, смотря по имени.",
    add: "Добавить сертификат",
    empty: "Серверных сертификатов нет",
    emptyText: "Без них TLS-адресам нечего показать. Загрузите цепочку с ключом; для одного имени действует новейший.",
    names: "Имена",
    merchant: "Мерчант",
    all: "вся установка",
    clients: "Сертификаты звонящих",
    modes: { off: "не спрашивать", allowed: "спрашивать", required: "требовать" } as Record<string, string>,
    ends: "Кончается",
    pem: "Цепочка и ключ (PEM)",
    pemHint: "В любом порядке. Или файл PKCS12 ниже.",
    file: "Или перетащите сюда .p12, или выберите файл",
    password: "Пароль файла",
    remove: "Убрать",
    removeText:
      "Кто обратится по этим именам, увидит их старый сертификат или никакого: тогда рукопожатие не состоится.",
    authority: "Наш центр сертификации",
    authorityText:
      "Он выпускает сертификаты, которые сети показывают нам. Тем, кто проверяет их в другом месте, нужен его сертификат.",
    subject: "Кому",
    copy: "Его сертификат (PEM)",
  },
);
