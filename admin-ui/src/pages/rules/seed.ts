/** Seeds have 64 bits, more than a number of JavaScript holds exactly: they travel as digits. */
export function seedOf(decision: string): string | undefined {
  return /"seed":\s*(\d+)/.exec(decision)?.[1];
}

/** The JSON of an object, with a seed of any size beside what it has. */
export function withSeed(body: object, seed: string | undefined): string {
  const text = JSON.stringify(body);
  return seed === undefined ? text : `${text.slice(0, -1)},"seed":${seed}}`;
}
