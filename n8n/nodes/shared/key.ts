/**
 * Idempotency keys: n8n may run a node twice for one item ("Retry on Fail", a retried execution),
 * and a second goal for the same work would cost GPU time.
 *
 * Execution numbers restart with n8n's database and two instances share them, so the key rests on
 * a random part that n8n keeps with the execution.
 */
import { randomUUID } from 'node:crypto';
import type { IExecuteFunctions } from 'n8n-workflow';

export function defaultKey(context: IExecuteFunctions, itemIndex: number): string {
	const kept = context.getContext('node');
	kept.atosKey ??= randomUUID();
	const run = Number(context.getWorkflowDataProxy(itemIndex).$runIndex ?? 0);
	return `n8n-${String(kept.atosKey)}-${run}-${itemIndex}`;
}

/** Has the next try of the node use other keys: the goals of this one were cancelled. */
export function forgetKeys(context: IExecuteFunctions): void {
	delete context.getContext('node').atosKey;
}
