"use strict";

const POLL_MS = 1000;
const list = document.getElementById("webhooks");
const empty = document.getElementById("empty");
const state = document.getElementById("state");
const template = document.getElementById("webhook");
const shown = new Set();

function describe(event) {
  const payment = event?.data?.payment ?? event?.data;
  if (!payment?.amount) return event?.data?.message ?? "";
  return `${payment.amount.amount} ${payment.amount.currency} to ${payment.account}`;
}

function render(webhook) {
  const item = template.content.cloneNode(true);
  let event = null;
  try { event = JSON.parse(webhook.body); } catch { /* shown as it came */ }
  const kind = event?.type ?? "not JSON";
  item.querySelector(".type").textContent = kind;
  item.querySelector(".what").textContent = describe(event);
  item.querySelector(".dot").classList.add(kind.split(".").pop().replace(/[^a-z]/g, "") || "other");
  const time = item.querySelector("time");
  time.dateTime = webhook.at;
  time.title = webhook.at;
  time.textContent = new Date(webhook.at).toLocaleTimeString();
  item.querySelector(".id").textContent = webhook.id ?? "none";
  item.querySelector(".signature").textContent = webhook.signature ?? "none";
  item.querySelector(".body").textContent = event ? JSON.stringify(event, null, 2) : webhook.body;
  return item;
}

async function poll() {
  try {
    const answer = await fetch("/demo/webhooks");
    const webhooks = await answer.json();
    for (const webhook of webhooks.toReversed()) {
      const key = `${webhook.at} ${webhook.id}`;
      if (shown.has(key)) continue;
      shown.add(key);
      list.prepend(render(webhook));
    }
    empty.hidden = webhooks.length > 0;
    state.textContent = webhooks.length === 1 ? "1 webhook" : `${webhooks.length} webhooks`;
  } catch {
    state.textContent = "the gateway does not answer";
  }
  setTimeout(poll, POLL_MS);
}

poll();
