import { Popover, TextInput, UnstyledButton } from "@mantine/core";
import { IconSelector } from "@tabler/icons-react";
import { useNavigate, useRouterState } from "@tanstack/react-router";
import { useState } from "react";
import { useMerchants } from "../api/merchants";
import { useTexts } from "../language/language";
import { useMe } from "../session/permissions";
import { useMerchantAt } from "./at";
import { navWords } from "./nav";

/** Beyond so many the list is searched, not read. */
const SHOWN = 50;

export function MerchantSwitcher() {
  const t = useTexts(navWords);
  const me = useMe();
  const merchants = useMerchants();
  const merchant = useMerchantAt();
  const page = useRouterState({ select: (state) => /^\/m\/[^/]+\/([^/]+)/.exec(state.location.pathname)?.[1] });
  const navigate = useNavigate();
  const [opened, setOpened] = useState(false);
  const [text, setText] = useState("");
  const current = merchants?.find(({ slug }) => slug === merchant);
  const shown = merchant ? (current?.name ?? merchant) : t.allMerchants;
  const wanted = text.trim().toLowerCase();
  const found = (merchants ?? [])
    .filter(({ slug, name }) => slug.includes(wanted) || name.toLowerCase().includes(wanted))
    .slice(0, SHOWN);
  const go = (to: string) => {
    setOpened(false);
    setText("");
    void navigate({ to });
  };
  const here = (slug: string) => go(`/m/${slug}/${page ?? "overview"}`);
  return (
    <Popover opened={opened} onChange={setOpened} width={240} position="bottom-start" trapFocus>
      <Popover.Target>
        <UnstyledButton
          className="tg-switcher"
          onClick={() => setOpened((was) => !was)}
          aria-label={`${t.switchMerchant}: ${shown}`}
        >
          <span>{shown}</span>
          <IconSelector size={15} aria-hidden="true" />
        </UnstyledButton>
      </Popover.Target>
      <Popover.Dropdown p={6}>
        <TextInput
          size="xs"
          aria-label={t.findMerchant}
          placeholder={t.findMerchant}
          value={text}
          onChange={(event) => setText(event.currentTarget.value)}
          onKeyDown={(event) => {
            if (event.key === "Enter" && found[0]) here(found[0].slug);
          }}
          data-autofocus
        />
        <ul className="tg-switcher-list">
          {me.operator_role && wanted === "" && (
            <li>
              <UnstyledButton onClick={() => go("/overview")}>{t.allMerchants}</UnstyledButton>
            </li>
          )}
          {found.map(({ slug, name }) => (
            <li key={slug}>
              <UnstyledButton data-active={slug === merchant || undefined} onClick={() => here(slug)}>
                {name} <span className="tg-quiet mono">{slug}</span>
              </UnstyledButton>
            </li>
          ))}
          {found.length === 0 && <li className="tg-quiet tg-none">{t.noMerchant}</li>}
        </ul>
      </Popover.Dropdown>
    </Popover>
  );
}
