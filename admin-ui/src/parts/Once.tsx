import { Alert } from "@mantine/core";
import { IconKey } from "@tabler/icons-react";
import { useTexts } from "../language/language";
import { CopyButton } from "./Copy";
import { words } from "./words";

/** A secret that is shown this once. */
export function Once({ secret, what }: { secret: string; what: string }) {
  const t = useTexts(words);
  return (
    <Alert color="teal" variant="light" icon={<IconKey size={18} />} title={`${what}. ${t.onceTitle}`}>
      <p>{t.onceText}</p>
      <p className="tg-once mono">
        <span>{secret}</span> <CopyButton value={secret} what={what} />
      </p>
    </Alert>
  );
}
