/** What the REST gives as free JSON, as far as pages read it. */

export interface MoneyText {
  amount: string;
  currency: string;
}

export interface PaymentObject {
  id: string;
  connection_id: string;
  channel: string;
  network_id: string;
  number: string;
  account: string;
  amount: MoneyText;
  fee: MoneyText | null;
  service: string | null;
  status: string;
  reason: string | null;
  booked_at: string | null;
  booked_text: string | null;
  booking_suspect: boolean;
  extras: Record<string, unknown>;
  received_at: string;
  created_at: string;
}

export interface Finding {
  severity: "error" | "warning";
  line: number;
  column: number;
  end_line: number;
  end_column: number;
  code: string;
  message: string;
  hint: string | null;
}

export interface Checks {
  findings: Finding[];
  tests: {
    passed: number;
    failed: { name: string; line: number | null; problem: string }[];
    lines_run: number;
    lines: number;
    lines_missed: number[];
  };
}

/** What a handler answered: `outcome` and what belongs to it. */
export interface Outcome {
  outcome: string;
  reason?: string;
  comment?: string | null;
  connection?: string;
  fallbacks?: string[];
  amount?: MoneyText;
  text?: string | null;
  kind?: string;
  message?: string;
  line?: number | null;
  fields?: { name: string; value: string }[];
  notes?: Record<string, unknown>;
}

export interface HostCall {
  question: Record<string, unknown> & { ask: string };
  duration_us: number;
  line: number | null;
  [answer: string]: unknown;
}

export interface Decision extends Outcome {
  steps: number;
  duration_us: number;
  own_time_us: number;
  memory: number;
  calls: HostCall[];
  log: { line?: number | null; text?: string; message?: string }[];
}

export interface DecisionRecord {
  input: { handler: string; request: Record<string, unknown> };
  context: { now: string; seed: number | string };
  decision: Decision;
  masked?: boolean;
}

export interface ChangeGroup {
  change: string;
  count: number;
  amounts: MoneyText[];
  examples: { decision: string | null; account: string; amount: MoneyText | null; before: Outcome; after: Outcome }[];
}

export interface ChangeReport {
  decided: number;
  same: number;
  changed: number;
  not_comparable: number;
  groups: ChangeGroup[];
}
