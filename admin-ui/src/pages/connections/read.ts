import { useQuery } from "@tanstack/react-query";
import { answer, api } from "../../api/client";
import type { Schema } from "../../schema/schema";

export function usePlugins() {
  const plugins = useQuery({
    queryKey: ["plugins"],
    queryFn: () => answer(api.GET("/admin/v1/plugins")),
    staleTime: Number.POSITIVE_INFINITY,
  });
  return plugins.data?.data as { name: string; title: string; summary: string; config_schema: Schema }[] | undefined;
}

/** Whole files in Base64, as the REST takes them. */
export async function asBase64(file: Blob): Promise<string> {
  const bytes = new Uint8Array(await file.arrayBuffer());
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
}
