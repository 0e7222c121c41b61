import { Button, Group, Modal, TextInput } from "@mantine/core";
import { useState } from "react";
import { useTexts } from "../language/language";
import { Failed } from "./Failed";
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

export function Confirm({ opened, onClose, title, children, typed, action, dangerous = true, run }: Props) {
  const t = useTexts(words);
  const [text, setText] = useState("");
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>();
  const close = () => {
    setText("");
    setError(undefined);
    onClose();
  };
  const submit = async (event: React.FormEvent) => {
    event.preventDefault();
    setBusy(true);
    try {
      await run();
      close();
    } catch (failure) {
      setError(failure);
    } finally {
      setBusy(false);
    }
  };
  return (
    <Modal opened={opened} onClose={close} title={title} closeButtonProps={{ "aria-label": t.close }}>
      <form onSubmit={submit}>
        <div className="tg-prose">{children}</div>
        {typed && (
          <TextInput
            mt="md"
            label={t.typeToConfirm(typed)}
            value={text}
            onChange={(event) => setText(event.currentTarget.value)}
            autoComplete="off"
            data-autofocus
          />
        )}
        {error !== undefined && <Failed error={error} />}
        <Group justify="flex-end" mt="lg">
          <Button variant="default" onClick={close}>
            {t.cancel}
          </Button>
          <Button
            type="submit"
            color={dangerous ? "red" : undefined}
            loading={busy}
            disabled={typed !== undefined && text !== typed}
          >
            {action}
          </Button>
        </Group>
      </form>
    </Modal>
  );
}
