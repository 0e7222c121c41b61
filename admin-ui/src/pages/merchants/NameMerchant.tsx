import { Button, Group, Modal, TextInput } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import type { Schema } from "../../api/client";
import { useTexts } from "../../language/language";
import { Failed } from "../../parts/Failed";
import { words } from "../../parts/words";
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
  const w = useTexts(words);
  const queries = useQueryClient();
  const navigate = useNavigate();
  const [name, setName] = useState("");
  const [slug, setSlug] = useState<string>();
  const [error, setError] = useState<unknown>();
  const [busy, setBusy] = useState(false);
  const shown = slug ?? slugOf(name);
  const submit = async (event: React.FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setError(undefined);
    try {
      const made = await make({ name, slug: shown });
      void queries.invalidateQueries({ queryKey: ["merchants"] });
      onClose();
      void navigate({ to: `/m/${made.slug}/setup` });
    } catch (failure) {
      setError(failure);
      setBusy(false);
    }
  };
  return (
    <Modal opened onClose={onClose} title={title} closeButtonProps={{ "aria-label": w.close }}>
      <form onSubmit={submit} className="tg-stack">
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
        {error !== undefined && <Failed error={error} />}
        <Group justify="flex-end">
          <Button variant="default" onClick={onClose}>
            {w.cancel}
          </Button>
          <Button type="submit" loading={busy} disabled={!name || !shown}>
            {action}
          </Button>
        </Group>
      </form>
    </Modal>
  );
}
