import { useState } from "react";

export interface Submit {
  busy: boolean;
  error: unknown;
  submit: (event?: React.FormEvent) => Promise<void>;
}

/** Sends a form: busy meanwhile, with what went wrong kept for the form to tell. */
export function useSubmit(run: () => Promise<unknown>): Submit {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>();
  const submit = async (event?: React.FormEvent) => {
    event?.preventDefault();
    // A sheet lies over the page, yet its events go on to the form that it was opened from, which would be sent, too.
    event?.stopPropagation();
    setBusy(true);
    setError(undefined);
    try {
      await run();
    } catch (failure) {
      setError(failure);
    } finally {
      setBusy(false);
    }
  };
  return { busy, error, submit };
}
