/**
 * Collects goals into one result and gives it the status for the caller of a workflow: 200 all
 * succeeded, 202 some are still running when the time is over, 502 all have ended and at least one
 * did not succeed.
 */
import type { IDataObject, IExecuteFunctions } from 'n8n-workflow';
import { AtosFailure } from '../shared/failure';
import type { Goal } from '../shared/goals';
import { waitForGoal } from '../shared/goals';
import { callTool } from '../shared/transport';

const DEFAULT_WAIT_SECONDS = 300;

function idsOf(context: IExecuteFunctions, items: number): string[] {
	const ids = new Set<string>();
	for (let i = 0; i < items; i++) {
		const text = String(context.getNodeParameter('goalId', i) ?? '');
		const found = text
			.split(',')
			.map((id) => id.trim())
			.filter((id) => id !== '');
		if (found.length === 0) {
			const next = 'Connect the ATOS Agent Router, or set Goal ID.';
			throw new AtosFailure('bad_request', `Item ${i} has no goal ID`, next);
		}
		found.forEach((id) => ids.add(id));
	}
	return [...ids];
}

/** The server's own counts decide, because it cuts the list of a very long answer. */
function withStatus(result: IDataObject): IDataObject {
	const status = Number(result.pending) > 0 ? 202 : result.ok === true ? 200 : 502;
	return { ...result, status };
}

/** Goals run in parallel, so waiting for one after the other ends with the slowest. */
async function waitForAll(
	context: IExecuteFunctions,
	ids: string[],
	result: IDataObject,
	seconds: number,
): Promise<void> {
	const deadline = Date.now() + seconds * 1000;
	const shown = new Map(((result.items ?? []) as Goal[]).map((goal) => [goal.id, goal]));
	for (const id of ids) {
		const start = shown.get(id) ?? { id, state: 'unknown' };
		await waitForGoal(context, 0, start, (deadline - Date.now()) / 1000);
	}
}

/** Reads the ids of all items, waits where asked, and returns the sums with the goals. */
export async function aggregate(context: IExecuteFunctions, items: number): Promise<IDataObject> {
	const ids = idsOf(context, items);
	const now = await callTool(context, 0, 'aggregate_results', { ids });
	if (!context.getNodeParameter('wait', 0) || now.pending === 0) return withStatus(now);
	const seconds = context.getNodeParameter('waitSeconds', 0, DEFAULT_WAIT_SECONDS) as number;
	await waitForAll(context, ids, now, seconds);
	return withStatus(await callTool(context, 0, 'aggregate_results', { ids }));
}
