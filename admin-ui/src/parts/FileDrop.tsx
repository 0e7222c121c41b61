import { IconUpload } from "@tabler/icons-react";
import { useId, useState } from "react";
import { formatBytes } from "../format/size";
import { useLanguage } from "../language/language";

interface Props {
  label: string;
  accept?: string;
  file: File | undefined;
  onFile: (file: File | undefined) => void;
  disabled?: boolean;
}

/** A field for one file, which may also be dropped on it. */
export function FileDrop({ label, accept, file, onFile, disabled = false }: Props) {
  const id = useId();
  const language = useLanguage();
  const [over, setOver] = useState(false);
  return (
    <label
      htmlFor={id}
      className="tg-drop"
      data-over={over || undefined}
      onDragOver={(event) => {
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={(event) => {
        event.preventDefault();
        setOver(false);
        if (!disabled) onFile(event.dataTransfer.files[0]);
      }}
    >
      <IconUpload size={20} aria-hidden="true" />
      <span>{file ? `${file.name} · ${formatBytes(file.size, language)}` : label}</span>
      <input
        id={id}
        type="file"
        accept={accept}
        disabled={disabled}
        onChange={(event) => onFile(event.currentTarget.files?.[0])}
      />
    </label>
  );
}
