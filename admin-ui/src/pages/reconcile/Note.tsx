import { Checkbox, Textarea } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { answer, api, type Schema } from "../../api/client";
import { useTexts } from "../../language/language";
import { Moment } from "../../parts/Moment";
import { FormSheet } from "../../parts/Sheet";
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
  const save = async () => {
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
  };
  return (
    <FormSheet title={`${t.settle}: ${row.network_id}`} action={w.save} onClose={onClose} run={save}>
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
      <Checkbox label={t.resolved} checked={resolved} onChange={(event) => setResolved(event.currentTarget.checked)} />
      {row.note && (
        <p className="tg-quiet tg-small">
          {row.note.author}, <Moment at={row.note.updated_at} />
        </p>
      )}
    </FormSheet>
  );
}
