export function Settlement() { return null; }
