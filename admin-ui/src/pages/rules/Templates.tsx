import { Skeleton, UnstyledButton } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Code } from "../../code/Code";
import { useTexts } from "../../language/language";
import { FormSheet } from "../../parts/Sheet";
import { ruleWords } from "./words";

/** The ready-made rules of scripts/, each read when somebody looks at it. */
const SCRIPTS = import.meta.glob<string>("../../../../scripts/*.lua", { query: "?raw", import: "default" });
const NAMES = Object.keys(SCRIPTS).map((path) => ({ path, name: path.replace(/^.*\/|\.lua$/g, "") }));

interface Props {
  opened: boolean;
  onClose: () => void;
  onChoose: (source: string) => void;
}

export function Templates({ opened, onClose, onChoose }: Props) {
  const t = useTexts(ruleWords);
  const [path, setPath] = useState(NAMES[0]?.path ?? "");
  const source = useQuery({
    queryKey: ["template", path],
    queryFn: () => SCRIPTS[path]?.() ?? Promise.resolve(""),
    enabled: opened,
    staleTime: Number.POSITIVE_INFINITY,
  });
  if (!opened) return null;
  return (
    <FormSheet
      title={t.templates}
      size="xl"
      action={t.useTemplate}
      onClose={onClose}
      ready={!!source.data}
      run={async () => {
        onChoose(source.data ?? "");
        onClose();
      }}
      aside={<span className="tg-quiet tg-small">{t.templateReplace}</span>}
    >
      <div className="tg-templates">
        <ul>
          {NAMES.map((one) => (
            <li key={one.path}>
              <UnstyledButton data-active={one.path === path || undefined} onClick={() => setPath(one.path)}>
                {one.name}
              </UnstyledButton>
            </li>
          ))}
        </ul>
        {source.data === undefined ? (
          <Skeleton height={360} />
        ) : (
          <Code text={source.data} kind="lua" label={t.templates} />
        )}
      </div>
    </FormSheet>
  );
}
