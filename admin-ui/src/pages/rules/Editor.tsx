import {
  autocompletion,
  type CompletionContext,
  type CompletionResult,
  closeBrackets,
  closeBracketsKeymap,
  completionKeymap,
} from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap, indentWithTab } from "@codemirror/commands";
import { bracketMatching, indentOnInput, indentUnit, syntaxHighlighting } from "@codemirror/language";
import { type Diagnostic, lintGutter, setDiagnostics } from "@codemirror/lint";
import { highlightSelectionMatches, searchKeymap } from "@codemirror/search";
import { Compartment, EditorState, RangeSet, StateEffect, StateField } from "@codemirror/state";
import {
  drawSelection,
  EditorView,
  GutterMarker,
  gutter,
  highlightActiveLine,
  highlightActiveLineGutter,
  keymap,
  lineNumbers,
} from "@codemirror/view";
import { classHighlighter } from "@lezer/highlight";
import { useEffect, useImperativeHandle, useRef } from "react";
import { luaLanguage } from "../../code/highlight";
import { nonce } from "../../nonce";
import { hostApi, type Member, typeBefore } from "./hostApi";

export interface EditorHandle {
  goTo: (line: number) => void;
  replace: (text: string) => void;
}

export interface Mark {
  line: number;
  column?: number;
  endLine?: number;
  endColumn?: number;
  severity: "error" | "warning";
  text: string;
}

interface Props {
  initial: string;
  label: string;
  readOnly: boolean;
  marks: Mark[];
  /** Lines that no test ran, or undefined when that is not known. */
  missed: { lines: number[]; of: string } | undefined;
  onChange: (text: string) => void;
  handle: React.RefObject<EditorHandle | null>;
}

export function Editor({ initial, label, readOnly, marks, missed, onChange, handle }: Props) {
  const place = useRef<HTMLDivElement>(null);
  const view = useRef<EditorView | null>(null);
  const told = useRef(onChange);
  told.current = onChange;

  // biome-ignore lint/correctness/useExhaustiveDependencies: the editor is made once and keeps its own text
  useEffect(() => {
    const made = new EditorView({
      parent: place.current as HTMLDivElement,
      state: EditorState.create({
        doc: initial,
        extensions: [
          ...base(label),
          writable.of(EditorState.readOnly.of(readOnly)),
          EditorView.updateListener.of((update) => {
            if (update.docChanged) told.current(update.state.doc.toString());
          }),
        ],
      }),
    });
    // Lines were measured in the font that was there; once ours has come, the gutter would stand beside them.
    void document.fonts.ready.then(() => made.requestMeasure());
    view.current = made;
    return () => made.destroy();
  }, []);

  useEffect(() => {
    view.current?.dispatch({ effects: writable.reconfigure(EditorState.readOnly.of(readOnly)) });
  }, [readOnly]);

  useEffect(() => {
    const editor = view.current;
    if (editor)
      editor.dispatch(
        setDiagnostics(
          editor.state,
          marks.flatMap((mark) => diagnostic(editor.state, mark)),
        ),
      );
  }, [marks]);

  useEffect(() => {
    const editor = view.current;
    // Marks of another text would stand beside the wrong lines.
    const lines = missed && editor && missed.of === editor.state.doc.toString() ? missed.lines : [];
    editor?.dispatch({ effects: setMissed.of(lines) });
  }, [missed]);

  useImperativeHandle(handle, () => ({
    goTo: (line) => {
      const editor = view.current;
      if (!editor) return;
      const at = editor.state.doc.line(Math.min(Math.max(line, 1), editor.state.doc.lines)).from;
      editor.dispatch({ selection: { anchor: at }, effects: EditorView.scrollIntoView(at, { y: "center" }) });
      editor.focus();
    },
    replace: (text) => {
      const editor = view.current;
      editor?.dispatch({ changes: { from: 0, to: editor.state.doc.length, insert: text } });
    },
  }));
  return <div ref={place} className="tg-editor" />;
}

const writable = new Compartment();

/** What any editor of rules has. */
export function base(label: string) {
  return [
    EditorView.cspNonce.of(nonce ?? ""),
    EditorView.contentAttributes.of({ "aria-label": label, tabindex: "0" }),
    lineNumbers(),
    missedLines,
    missedGutter,
    lintGutter(),
    highlightActiveLineGutter(),
    highlightActiveLine(),
    history(),
    drawSelection(),
    indentOnInput(),
    indentUnit.of("  "),
    bracketMatching(),
    closeBrackets(),
    highlightSelectionMatches(),
    autocompletion({ override: [complete] }),
    luaLanguage,
    syntaxHighlighting(classHighlighter),
    keymap.of([
      ...closeBracketsKeymap,
      ...defaultKeymap,
      ...searchKeymap,
      ...historyKeymap,
      ...completionKeymap,
      indentWithTab,
    ]),
  ];
}

function diagnostic(state: EditorState, mark: Mark): Diagnostic[] {
  if (mark.line > state.doc.lines) return [];
  const line = state.doc.line(Math.max(mark.line, 1));
  const endLine = mark.endLine && mark.endLine <= state.doc.lines ? state.doc.line(mark.endLine) : line;
  const from = mark.column
    ? Math.min(line.from + mark.column - 1, line.to)
    : line.from + (/\S/.exec(line.text)?.index ?? 0);
  const to = mark.endColumn ? Math.min(endLine.from + mark.endColumn - 1, endLine.to) : line.to;
  return [{ from, to: Math.max(to, from), severity: mark.severity, message: mark.text }];
}

const setMissed = StateEffect.define<number[]>();

class MissedMarker extends GutterMarker {
  override elementClass = "tg-missed";
}
const missedMarker = new MissedMarker();

const missedLines = StateField.define<RangeSet<GutterMarker>>({
  create: () => RangeSet.empty,
  update(set, transaction) {
    let next = set.map(transaction.changes);
    for (const effect of transaction.effects) {
      if (!effect.is(setMissed)) continue;
      const doc = transaction.state.doc;
      const starts = effect.value
        .filter((line) => line <= doc.lines)
        .map((line) => missedMarker.range(doc.line(line).from));
      next = RangeSet.of(starts, true);
    }
    return next;
  },
});

const missedGutter = gutter({ class: "tg-missed-gutter", markers: (view) => view.state.field(missedLines) });

const KEYWORDS = [
  "and",
  "break",
  "continue",
  "do",
  "else",
  "elseif",
  "end",
  "false",
  "for",
  "function",
  "if",
  "in",
  "local",
  "nil",
  "not",
  "or",
  "repeat",
  "return",
  "then",
  "true",
  "until",
  "while",
];

function option({ name, type, doc, method }: Member) {
  return {
    label: name,
    type: method || type.startsWith("(") ? "function" : "property",
    detail: type.length > 60 ? `${type.slice(0, 57)}…` : type,
    ...(doc ? { info: doc } : {}),
  };
}

/** Members after a dot or a colon, reasons within reject("…"), and names otherwise. */
export function complete(context: CompletionContext): CompletionResult | null {
  const line = context.state.doc.lineAt(context.pos);
  const before = line.text.slice(0, context.pos - line.from);
  if (/^\s*--/.test(before)) return null;
  const reason = /\breject\(\s*"(\w*)$/.exec(before);
  if (reason) {
    return {
      from: context.pos - (reason[1]?.length ?? 0),
      options: hostApi.reasons.map((label) => ({ label, type: "enum" })),
    };
  }
  const type = typeBefore(before);
  const word = /\w*$/.exec(before)?.[0] ?? "";
  if (type)
    return { from: context.pos - word.length, options: (hostApi.types.get(type) ?? []).map(option), validFor: /^\w*$/ };
  if (/[.:"']\w*$/.test(before)) return null;
  if (word.length < 2 && !context.explicit) return null;
  const names = [...hostApi.functions.map(option), ...KEYWORDS.map((label) => ({ label, type: "keyword" }))];
  return { from: context.pos - word.length, options: names, validFor: /^\w*$/ };
}
