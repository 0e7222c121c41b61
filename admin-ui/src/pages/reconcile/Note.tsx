import { Button, Checkbox, Group, Modal, Textarea } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { answer, api, type Schema } from "../../api/client";
import { useTexts } from "../../language/language";
import { Failed } from "../../parts/Failed";
import { Moment } from "../../parts/Moment";
import { words } from "../../parts/words";
import { reconcileWords } from "./words";

interface Props {
  row: Schema["RowView"];
  merchant: string;
  settlement: string;
  onClose: () => void;
}

/** What was found out about a difference, and whether that settles it. */
export function Note({ row, merchant, settlement, onClose }: Props) {
  const t = useTexts(reconcileWords);
  const w = useTexts(words);
  const queries = useQueryClient();
  const [note, setNote] = useState(row.note?.note ?? "");
  const [resolved, setResolved] = useState(row.note?.resolved ?? true);
  const [error, setError] = useState<unknown>();
  const [busy, setBusy] = useState(false);
  const save = async (event: React.FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setError(undefined);
    try {
      const path = { merchant, settlement, row: row.id };
      await answer(
        api.PUT("/admin/v1/merchants/{merchant}/settlements/{settlement}/rows/{row}/note", {
          params: { path },
          body: { note, resolved },
        }),
      );
      void queries.invalidateQueries({ queryKey: ["settlement-rows", settlement] });
      void queries.invalidateQueries({ queryKey: ["settlement", merchant, settlement] });
      onClose();
    } catch (failure) {
      setError(failure);
      setBusy(false);
    }
  };
  return (
    <Modal
      opened
      onClose={onClose}
      title={`${t.settle}: ${row.network_id}`}
      closeButtonProps={{ "aria-label": w.close }}
    >
      <form onSubmit={save} className="tg-stack">
        <Textarea
          label={t.note}
          description={t.noteHint}
          required
          autosize
          minRows={3}
          maxLength={2000}
          value={note}
          onChange={(event) => setNote(event.currentTarget.value)}
          data-autofocus
        />
        <Checkbox
          label={t.resolved}
          checked={resolved}
          onChange={(event) => setResolved(event.currentTarget.checked)}
        />
        {row.note && (
          <p className="tg-quiet tg-small">
            {row.note.author}, <Moment at={row.note.updated_at} />
          </p>
        )}
        {error !== undefined && <Failed error={error} />}
        <Group justify="flex-end">
          <Button variant="default" onClick={onClose}>
            {w.cancel}
          </Button>
          <Button type="submit" loading={busy}>
            {w.save}
          </Button>
        </Group>
      </form>
    </Modal>
  );
}
