export function AllOverview() { return null; }
export function MerchantOverview() { return null; }
