import { many, some, texts } from "../../language/language";

const anOrder = (id: string) => (id ? `order ${id}` : "an order");

export const paymentWords = texts(
  {
    title: "Payments",
    search: "Any number or account",
    searchHint: "Transaction, payment id, our number or account, whole",
    status: "Status",
    connection: "Connection",
    network: "Network id",
    number: "Number",
    id: "Payment id",
    service: "Service",
    booked: "Booked",
    received: "Received",
    channel: "Channel",
    empty: "No payments yet",
    emptyText:
      "A payment appears here the moment a terminal pays, or your system creates one through /v1/payments. Try the terminal lab: it pays through the front door.",
    emptyAction: "Open the terminal lab",
    nothing: "No payment matches these filters",
    nothingText: "Search looks for whole numbers and accounts, not for parts of them.",
    timeline: "What happened",
    one: "Payment",
    figures: "This payment",
    raw: "As JSON",
    extras: "Other parameters",
    suspect: "The network's booking moment looks wrong; our own was used.",
    why: "Why",
    decisionTitle: (handler: string, revision: number) => `Decision of ${handler}, revision ${revision}`,
    event: "Event",
    delivery: (n: number) => `Delivery, ${some(n, "attempt")}`,
    attempt: (n: number) => `Attempt ${n}`,
    resend: "Send again",
    resent: "It is sent again",
    operation: "Operation",
    operations: {
      pay: "Payment",
      create: "Payment made",
      capture: "Capture",
      reverse: "Hold released",
      refund: "Refund",
    } as Record<string, string>,
    exchangeIn: "The network asked",
    exchangeOut: "We asked the network",
    told: "told",
    sentence: {
      succeeded: (money: string, account: string, order: string, connection: string) =>
        `Paid ${money} ${account ? `to account ${account}` : `for ${anOrder(order)}`} through ${connection}`,
      declined: (money: string, account: string, order: string, connection: string) =>
        `Refused ${money} for ${account ? `account ${account}` : anOrder(order)} at ${connection}`,
      other: (money: string, account: string, order: string, connection: string, status: string) =>
        `${money} for ${account || anOrder(order)} through ${connection}: ${status}`,
      because: (reason: string) => `, because ${reason}`,
      told: (who: string, at: string, attempts: number) =>
        `; ${who} was told at ${at}${attempts > 1 ? ` on attempt ${attempts}` : ""}`,
      telling: (who: string, attempts: number) =>
        `; ${who} was not told yet${attempts > 0 ? ` after ${some(attempts, "attempt")}` : ""}`,
      silent: "; nobody is to be told",
    },
  },
  {
    title: "Платежи",
    search: "Любой номер или счёт",
    searchHint: "Транзакция, платёж, наш номер или счёт, целиком",
    status: "Статус",
    connection: "Подключение",
    network: "Номер в сети",
    number: "Номер",
    id: "Платёж",
    service: "Услуга",
    booked: "Учтён",
    received: "Получен",
    channel: "Канал",
    empty: "Платежей пока нет",
    emptyText:
      "Платёж появится здесь, как только терминал его проведёт или ваша система создаст его через /v1/payments. Попробуйте «Терминал»: он платит через парадную дверь.",
    emptyAction: "Открыть терминал",
    nothing: "Под эти фильтры не подходит ни один платёж",
    nothingText: "Поиск ищет номера и счета целиком, а не их части.",
    timeline: "Что произошло",
    one: "Платёж",
    figures: "Этот платёж",
    raw: "Как JSON",
    extras: "Другие параметры",
    suspect: "Время учёта от сети выглядит неверным; взято наше.",
    why: "Почему",
    decisionTitle: (handler: string, revision: number) => `Решение ${handler}, ревизия ${revision}`,
    event: "Событие",
    delivery: (n: number) => `Доставка, ${many(n, "попытка", "попытки", "попыток")}`,
    attempt: (n: number) => `Попытка ${n}`,
    resend: "Отправить снова",
    resent: "Отправляется снова",
    operation: "Операция",
    operations: {
      pay: "Оплата",
      create: "Создание платежа",
      capture: "Списание",
      reverse: "Снятие удержания",
      refund: "Возврат",
    } as Record<string, string>,
    exchangeIn: "Запрос сети к нам",
    exchangeOut: "Наш запрос к сети",
    told: "сообщено",
    sentence: {
      succeeded: (money: string, account: string, order: string, connection: string) =>
        `Проведено ${money} ${account ? `на счёт ${account}` : `за заказ ${order}`.trim()} через ${connection}`,
      declined: (money: string, account: string, order: string, connection: string) =>
        `Отказано: ${money} для ${account ? `счёта ${account}` : `заказа ${order}`.trim()}, ${connection}`,
      other: (money: string, account: string, order: string, connection: string, status: string) =>
        `${money} для ${account || `заказа ${order}`.trim()} через ${connection}: ${status}`,
      because: (reason: string) => `: ${reason}`,
      told: (who: string, at: string, attempts: number) =>
        `; ${who} знает с ${at}${attempts > 1 ? `, с попытки ${attempts}` : ""}`,
      telling: (who: string, attempts: number) =>
        `; ${who} ещё не знает${attempts > 0 ? `, было: ${many(attempts, "попытка", "попытки", "попыток")}` : ""}`,
      silent: "; сообщать некому",
    },
  },
);
