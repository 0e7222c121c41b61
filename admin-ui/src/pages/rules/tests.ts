/** Tests as the script names them, so that those that passed have names, too. */
export function testNames(source: string): { name: string; line: number }[] {
  const found: { name: string; line: number }[] = [];
  source.split("\n").forEach((text, index) => {
    const match = /^\s*test\(\s*(["'])(.*?)\1/.exec(text);
    if (match) found.push({ name: match[2] ?? "", line: index + 1 });
  });
  return found;
}

/** Line and words of a compiler's complaint: `rules draft:4: Expected …`. */
export function readComplaint(detail: string): { line: number; text: string } {
  const match = /^(?:rules )?[^:\s]+:(\d+):\s*([\s\S]*)$/.exec(detail);
  return match ? { line: Number(match[1]), text: match[2] ?? detail } : { line: 1, text: detail };
}
