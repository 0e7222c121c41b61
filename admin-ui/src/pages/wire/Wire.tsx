export function Wire() { return null; }
