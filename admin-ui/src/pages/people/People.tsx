export function OperatorPeople() { return null; }
export function MerchantPeople() { return null; }
