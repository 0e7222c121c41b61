const POLL_MS = 50;

/** Waits for a condition, as long as it takes and no longer. */
export async function soon(what, within, condition) {
  const until = Date.now() + within;
  for (;;) {
    const found = await condition();
    if (found) return found;
    if (Date.now() > until) throw new Error(`in vain: ${what}`);
    await new Promise((done) => setTimeout(done, POLL_MS));
  }
}
