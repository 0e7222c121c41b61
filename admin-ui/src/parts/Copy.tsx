import { ActionIcon, Tooltip } from "@mantine/core";
import { useClipboard } from "@mantine/hooks";
import { IconCheck, IconCopy } from "@tabler/icons-react";
import { useTexts } from "../language/language";
import { words } from "./words";

export function CopyButton({ value, what }: { value: string; what?: string }) {
  const clipboard = useClipboard({ timeout: 1500 });
  const t = useTexts(words);
  const label = clipboard.copied ? t.copied : what ? t.copyOf(what) : t.copyOf(value);
  return (
    <Tooltip label={label}>
      <ActionIcon
        variant="subtle"
        color="gray"
        size="sm"
        className="tg-copy"
        aria-label={label}
        onClick={(event) => {
          event.preventDefault();
          event.stopPropagation();
          clipboard.copy(value);
        }}
      >
        {clipboard.copied ? <IconCheck size={14} /> : <IconCopy size={14} />}
      </ActionIcon>
    </Tooltip>
  );
}

/** An id in the type of ids, to be copied whole. */
export function Id({ value, short = false }: { value: string; short?: boolean }) {
  const shown = short && value.length > 18 ? `${value.slice(0, 8)}…${value.slice(-6)}` : value;
  return (
    <span className="tg-id">
      <span className="mono" title={shown === value ? undefined : value}>
        {shown}
      </span>
      <CopyButton value={value} />
    </span>
  );
}
