export function Endpoint() { return null; }
