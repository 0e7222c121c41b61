import { IconAlertTriangle } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { ask, type Schema } from "../api/client";
import { texts, useTexts } from "../language/language";
import { useMay } from "../session/permissions";

const bannerWords = texts<Record<string, string>>(
  {
    redis_away:
      "Redis is away: each node counts rates and caps on its own, and nobody may log in or make keys and certificates.",
    overloaded: "This node is behind, and refuses some requests.",
  },
  {
    redis_away: "Redis недоступен: каждый узел считает лимиты сам, и нельзя ни войти, ни создать ключи и сертификаты.",
    overloaded: "Этот узел не успевает и отказывает части запросов.",
  },
);

const WATCH_MS = 10_000;

/** What operators should know wherever they are. */
export function Banners() {
  const t = useTexts(bannerWords);
  const status = useQuery({
    queryKey: ["status"],
    queryFn: () => ask<Schema["NodeStatusView"]>("GET", "/admin/v1/status"),
    refetchInterval: WATCH_MS,
    enabled: useMay("installation:read"),
    retry: false,
  });
  const banners = status.data?.banners ?? [];
  if (banners.length === 0) return null;
  return (
    <div className="tg-banners" role="status">
      {banners.map(({ code, message }) => (
        <p key={code}>
          <IconAlertTriangle size={16} aria-hidden="true" /> {t[code] ?? message}
        </p>
      ))}
    </div>
  );
}
