const CYRILLIC: Record<string, string> = Object.fromEntries(
  "а a б b в v г g д d е e ё e ж zh з z и i й y к k л l м m н n о o п p р r с s т t у u ф f х kh ц ts ч ch ш sh щ sch ъ _ ы y ь _ э e ю yu я ya"
    .split(" ")
    .reduce<[string, string][]>((pairs, one, at, all) => (at % 2 === 0 ? [...pairs, [one, (all[at + 1] ?? "").replace("_", "")]] : pairs), []),
);
const LONGEST = 40;

/** A name in addresses for a merchant's name: "Акме Телеком" is "akme-telekom". */
export function slugOf(name: string): string {
  return name
    .toLowerCase()
    .replace(/[а-яё]/g, (letter) => CYRILLIC[letter] ?? "")
    .normalize("NFD")
    .replace(/[̀-ͯ]/g, "")
    .replace(/[^a-z0-9]+/g, "-")
    .slice(0, LONGEST)
    .replace(/^-+|-+$/g, "");
}
