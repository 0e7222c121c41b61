import { useEffect } from "react";
import { Logo } from "../frame/Logo";
import "../frame/frame.css";
import { UnstyledButton } from "@mantine/core";
import { navWords } from "../frame/nav";
import { setLanguage, useLanguage, useTexts } from "../language/language";

/** Pages for people who are not signed in. */
export function Outside({
  title,
  hint,
  children,
  foot,
}: {
  title: string;
  hint?: string;
  children: React.ReactNode;
  foot?: React.ReactNode;
}) {
  const language = useLanguage();
  const t = useTexts(navWords);
  useEffect(() => {
    document.title = `${title} · Tollgate`;
  }, [title]);
  return (
    <main className="tg-outside">
      <div className="tg-outside-card">
        <span className="tg-inline tg-strong">
          <Logo size={26} /> Tollgate
        </span>
        <h1>{title}</h1>
        {hint && <p className="tg-quiet">{hint}</p>}
        {children}
        <div className="tg-outside-foot">
          <span>{foot}</span>
          <UnstyledButton
            lang={language === "ru" ? "en" : "ru"}
            onClick={() => setLanguage(language === "ru" ? "en" : "ru")}
          >
            {t.languageSwitch}
          </UnstyledButton>
        </div>
      </div>
    </main>
  );
}
