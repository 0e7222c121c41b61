export function OperatorAudit() { return null; }
export function MerchantAudit() { return null; }
