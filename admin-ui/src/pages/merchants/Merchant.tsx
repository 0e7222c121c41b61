export function Merchant() { return null; }
