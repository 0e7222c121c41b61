import { unifiedMergeView } from "@codemirror/merge";
import { EditorState } from "@codemirror/state";
import { EditorView } from "@codemirror/view";
import { useEffect, useRef } from "react";
import { useTexts } from "../../language/language";
import { base } from "./Editor";
import { ruleWords } from "./words";

/** What changed, within the script itself. */
export function Compare({ before, after }: { before: string; after: string }) {
  const place = useRef<HTMLDivElement>(null);
  const t = useTexts(ruleWords);
  useEffect(() => {
    const view = new EditorView({
      parent: place.current as HTMLDivElement,
      state: EditorState.create({
        doc: after,
        extensions: [
          ...base(t.editorLabel),
          EditorState.readOnly.of(true),
          EditorState.phrases.of({ "$ unchanged lines": t.unchangedLines }),
          unifiedMergeView({ original: before, mergeControls: false, collapseUnchanged: { margin: 3, minSize: 6 } }),
        ],
      }),
    });
    return () => view.destroy();
  }, [before, after, t]);
  return <div ref={place} className="tg-editor" />;
}
