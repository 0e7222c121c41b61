export function Connection() { return null; }
