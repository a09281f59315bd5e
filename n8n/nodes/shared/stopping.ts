/**
 * Goals end with the execution that started them: one that is stopped, or fails at another item, would leave
 * models at work for nobody.
 */
import type { IExecuteFunctions } from 'n8n-workflow';
import { cancelGoals } from './goals';
import { forgetKeys } from './key';

/** Does the work of a node; if that fails or is stopped, cancels the goals that it had started. */
export async function orCancel<T>(
	context: IExecuteFunctions,
	started: () => string[],
	work: () => Promise<T>,
): Promise<T> {
	let done = false;
	try {
		const result = await work();
		done = true;
		return result;
	} finally {
		if (!done || context.getExecutionCancelSignal()?.aborted) {
			await cancelGoals(context, started());
			forgetKeys(context);
		}
	}
}
