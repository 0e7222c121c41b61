import { answer, api } from "../../api/client";
import type { PaymentObject } from "../../api/shapes";
import type { PageOf } from "../../parts/list";

export interface PaymentQuery {
  connection?: string;
  status?: string;
  search?: string;
  created_from?: string;
  created_until?: string;
}

export async function readPayments(
  merchant: string,
  query: PaymentQuery,
  cursor: string | undefined,
  limit = 50,
): Promise<PageOf<PaymentObject>> {
  const given = Object.fromEntries(Object.entries({ ...query, cursor }).filter(([, value]) => value));
  const page = await answer(
    api.GET("/admin/v1/merchants/{merchant}/payments", { params: { path: { merchant }, query: { ...given, limit } } }),
  );
  return page as unknown as PageOf<PaymentObject>;
}
