import { useParams } from "@tanstack/react-router";
import { useMe } from "../session/permissions";

let last: string | undefined;

/** The merchant that one is at. Staff is always at one: on pages of no merchant, such as the settings, at the last it saw. */
export function useMerchantAt(): string | undefined {
  const { merchant } = useParams({ strict: false }) as { merchant?: string };
  const { operator_role, memberships } = useMe();
  if (merchant !== undefined) last = merchant;
  if (merchant !== undefined || operator_role) return merchant;
  return memberships.some((of) => of.merchant.slug === last) ? last : memberships[0]?.merchant.slug;
}
