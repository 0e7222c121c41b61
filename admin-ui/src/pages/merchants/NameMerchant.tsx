import { TextInput } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import type { Schema } from "../../api/client";
import { useTexts } from "../../language/language";
import { FormSheet } from "../../parts/Sheet";
import { slugOf } from "./slug";
import { merchantWords } from "./words";

interface Props {
  title: string;
  intro?: string;
  action: string;
  make: (body: Schema["NewMerchantBody"]) => Promise<Schema["MerchantView"]>;
  onClose: () => void;
}

/** Asks how a new merchant is called, makes it, and goes to its page. */
export function NameMerchant({ title, intro, action, make, onClose }: Props) {
  const t = useTexts(merchantWords);
  const queries = useQueryClient();
  const navigate = useNavigate();
  const [name, setName] = useState("");
  const [slug, setSlug] = useState<string>();
  const shown = slug ?? slugOf(name);
  const run = async () => {
    const made = await make({ name, slug: shown });
    void queries.invalidateQueries({ queryKey: ["merchants"] });
    onClose();
    void navigate({ to: `/m/${made.slug}/setup` });
  };
  return (
    <FormSheet title={title} action={action} onClose={onClose} run={run} ready={name !== "" && shown !== ""}>
      {intro && <p className="tg-quiet">{intro}</p>}
      <TextInput
        label={t.name}
        required
        value={name}
        onChange={(event) => setName(event.currentTarget.value)}
        data-autofocus
      />
      <TextInput
        label={t.slug}
        description={t.slugHint}
        required
        classNames={{ input: "mono" }}
        value={shown}
        onChange={(event) => setSlug(event.currentTarget.value)}
      />
    </FormSheet>
  );
}
