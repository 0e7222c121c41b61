const LETTERS =
  "а a б b в v г g д d е e ё e ж zh з z и i й y к k л l м m н n о o п p р r с s т t у u ф f х kh ц ts ч ch ш sh щ sch ы y э e ю yu я ya";
const CYRILLIC = new Map([...LETTERS.matchAll(/(\S+) (\S+)/g)].map((pair) => [pair[1], pair[2]]));
const LONGEST = 40;

/** A name in addresses for a merchant's name: "Акме Телеком" is "akme-telekom". */
export function slugOf(name: string): string {
  return name
    .toLowerCase()
    .replace(/[а-яё]/g, (letter) => CYRILLIC.get(letter) ?? "")
    .normalize("NFD")
    .replace(/[̀-ͯ]/g, "")
    .replace(/[^a-z0-9]+/g, "-")
    .slice(0, LONGEST)
    .replace(/^-+|-+$/g, "");
}
