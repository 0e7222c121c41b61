import { IconChevronLeft } from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import { useEffect } from "react";
import { useTexts } from "../language/language";
import { words } from "./words";

interface Props {
  title: React.ReactNode;
  /** The list that this is one of. */
  within?: { to: string; title: string };
  /** Of the browser's tab, when the title is not a text. */
  name?: string;
  /** The page's one main action, and what stands apart from it. */
  action?: React.ReactNode;
  intro?: React.ReactNode;
  filters?: React.ReactNode;
  children: React.ReactNode;
}

export function Page({ title, within, name, action, intro, filters, children }: Props) {
  const tab = name ?? (typeof title === "string" ? title : "");
  useEffect(() => {
    document.title = tab ? `${tab} · Tollgate` : "Tollgate";
  }, [tab]);
  return (
    <div className="tg-page">
      {within && <Within {...within} />}
      <div className="tg-page-head">
        <h1>{title}</h1>
        {action && <div className="tg-page-action">{action}</div>}
      </div>
      {intro && <p className="tg-intro">{intro}</p>}
      {filters && <div className="tg-filters">{filters}</div>}
      {children}
    </div>
  );
}

function Within({ to, title }: { to: string; title: string }) {
  const t = useTexts(words);
  return (
    <nav className="tg-within" aria-label={t.within}>
      <Link to={to} className="tg-within-link">
        <IconChevronLeft size={14} aria-hidden="true" /> {title}
      </Link>
    </nav>
  );
}

/** A titled part of a page. */
export function Section({
  title,
  action,
  children,
}: {
  title: React.ReactNode;
  action?: React.ReactNode;
  children: React.ReactNode;
}) {
  return (
    <section className="tg-section">
      <div className="tg-section-head">
        <h2>{title}</h2>
        {action}
      </div>
      {children}
    </section>
  );
}

/** Names and what they are. */
export function Facts({ of }: { of: [React.ReactNode, React.ReactNode][] }) {
  return (
    <dl className="tg-facts">
      {of.map(([name, value], at) => (
        <div key={at}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}
