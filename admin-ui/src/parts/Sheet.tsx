import { Button, Group, Modal } from "@mantine/core";
import { useTexts } from "../language/language";
import { Failed } from "./Failed";
import { Once } from "./Once";
import { useSubmit } from "./submit";
import { words } from "./words";

interface SheetProps {
  title: React.ReactNode;
  onClose: () => void;
  size?: "sm" | "md" | "lg" | "xl";
  /** Closed by its own buttons alone: what it shows cannot be had again. */
  stays?: boolean;
  children: React.ReactNode;
}

/** What lies over a page until it is answered. */
export function Sheet({ title, onClose, size = "md", stays = false, children }: SheetProps) {
  const t = useTexts(words);
  return (
    <Modal
      opened
      onClose={onClose}
      title={title}
      size={size}
      className="tg-sheet"
      closeOnClickOutside={!stays}
      closeButtonProps={{ "aria-label": t.close }}
    >
      {children}
    </Modal>
  );
}

interface FormProps extends Omit<SheetProps, "children"> {
  /** What the button says that sends it. */
  action: string;
  run: () => Promise<unknown>;
  /** Whether there is enough to send. */
  ready?: boolean;
  dangerous?: boolean;
  /** What stands across from the buttons. */
  aside?: React.ReactNode;
  /** Fields that tell what was wrong with them take the error. */
  children: React.ReactNode | ((error: unknown) => React.ReactNode);
}

/** A sheet with a form: it is sent or left, and tells what went wrong. `run` closes it when it is done. */
export function FormSheet({ action, run, ready = true, dangerous = false, aside, children, ...sheet }: FormProps) {
  const t = useTexts(words);
  const { busy, error, submit } = useSubmit(run);
  return (
    <Sheet {...sheet}>
      <form onSubmit={submit} className="tg-stack">
        {typeof children === "function" ? children(error) : children}
        {error !== undefined && <Failed error={error} />}
        <Group justify={aside ? "space-between" : "flex-end"} className="tg-sheet-foot">
          {aside}
          <Group gap={8} justify="flex-end" ml="auto">
            <Button variant="default" onClick={sheet.onClose}>
              {t.cancel}
            </Button>
            <Button type="submit" color={dangerous ? "red" : undefined} loading={busy} disabled={!ready}>
              {action}
            </Button>
          </Group>
        </Group>
      </form>
    </Sheet>
  );
}

interface SecretProps {
  title: React.ReactNode;
  secret: string | null | undefined;
  what: string;
  onClose: () => void;
  /** What to do with it. */
  children?: React.ReactNode;
  /** Beside the button that closes it. */
  action?: React.ReactNode;
}

/** A sheet that shows a secret this once. */
export function SecretSheet({ title, secret, what, onClose, children, action }: SecretProps) {
  const t = useTexts(words);
  return (
    <Sheet title={title} onClose={onClose} stays>
      <div className="tg-stack">
        {secret && <Once secret={secret} what={what} />}
        {children}
        <Group justify="flex-end">
          <Button variant={action ? "default" : "filled"} onClick={onClose}>
            {t.close}
          </Button>
          {action}
        </Group>
      </div>
    </Sheet>
  );
}
