import { TextInput } from "@mantine/core";
import { useState } from "react";
import { useTexts } from "../language/language";
import { FormSheet } from "./Sheet";
import { words } from "./words";

interface Props {
  opened: boolean;
  onClose: () => void;
  title: string;
  /** What will happen, and what will not. */
  children: React.ReactNode;
  /** Must be typed, when the act cannot be undone. */
  typed?: string;
  action: string;
  dangerous?: boolean;
  run: () => Promise<unknown>;
}

export function Confirm({ opened, ...asked }: Props) {
  return opened ? <Asked {...asked} /> : null;
}

function Asked({ onClose, title, children, typed, action, dangerous = true, run }: Omit<Props, "opened">) {
  const t = useTexts(words);
  const [text, setText] = useState("");
  return (
    <FormSheet
      title={title}
      action={action}
      onClose={onClose}
      dangerous={dangerous}
      ready={typed === undefined || text === typed}
      run={async () => {
        await run();
        onClose();
      }}
    >
      <div className="tg-prose">{children}</div>
      {typed !== undefined && (
        <TextInput
          label={t.typeToConfirm(typed)}
          value={text}
          onChange={(event) => setText(event.currentTarget.value)}
          autoComplete="off"
          data-autofocus
        />
      )}
    </FormSheet>
  );
}
