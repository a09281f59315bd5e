/** Whether a callback is ATOS's and new. Pure but for the list of ids, which n8n keeps. */
import { createHmac, timingSafeEqual } from 'node:crypto';
import type { IDataObject } from 'n8n-workflow';

/** How old, in seconds, a signature may be: a recorded callback is of no use later. */
const LONGEST_AGE_S = 300;

/** Ids that are kept; ATOS delivers a callback again for a day at most. */
const MOST_SEEN = 500;

/** The signature of a body: `t=SECONDS,v1=HEX` with HMAC-SHA256 over `SECONDS.BODY`. */
export function signature(secret: string, seconds: number, body: Buffer): string {
	const mac = createHmac('sha256', secret).update(`${seconds}.`).update(body).digest('hex');
	return `t=${seconds},v1=${mac}`;
}

/** Whether the header `x-atos-signature` is that of the body, and of now. */
export function isSigned(secret: string, headers: IDataObject, body: Buffer, now: number): boolean {
	const given = String(headers['x-atos-signature'] ?? '');
	const seconds = Number(/^t=(\d{1,12}),/.exec(given)?.[1]);
	if (secret === '' || !(Math.abs(now - seconds) <= LONGEST_AGE_S)) return false;
	const wanted = Buffer.from(signature(secret, seconds, body));
	const shown = Buffer.from(given);
	return shown.length === wanted.length && timingSafeEqual(shown, wanted);
}

/**
 * Ids that this process has taken, by subscription. n8n reads the kept ones anew for each request, so two that
 * arrive at once would both be found new.
 */
const taken = new Map<string, Set<string>>();

/** Whether a callback has not come before; remembers it. */
export function accept(kept: IDataObject, id: string): boolean {
	const subscription = String(kept.subscription ?? '');
	const here = taken.get(subscription) ?? new Set((kept.seen ?? []) as string[]);
	taken.set(subscription, here);
	if (id === '' || here.has(id) || ((kept.seen ?? []) as string[]).includes(id)) return false;
	here.add(id);
	if (here.size > MOST_SEEN) here.delete([...here][0]);
	kept.seen = [...here];
	return true;
}
