/**
 * Collects goals into one result and gives it the status for the caller of a workflow: 200 all
 * succeeded, 202 some are still running when the time is over, 502 all have ended and at least one
 * did not succeed.
 */
import type { IDataObject, IExecuteFunctions } from 'n8n-workflow';
import { AtosFailure } from '../shared/failure';
import type { Delivered, DeliveredFile } from '../shared/files';
import { resultOf, zipData } from '../shared/files';
import type { Goal } from '../shared/goals';
import { cancelGoals, hasEnded, patiently, waitForGoal } from '../shared/goals';
import { callTool } from '../shared/transport';
import { zipOf } from '../shared/zip';
import type { GoalFiles } from './merge';
import { bytesOf, mergeFiles, summaryOf } from './merge';

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
	try {
		for (const id of ids) {
			const start = shown.get(id) ?? { id, state: 'unknown' };
			await waitForGoal(context, start, (deadline - Date.now()) / 1000);
		}
	} finally {
		const stopped = context.getExecutionCancelSignal()?.aborted === true;
		if (stopped && context.getNodeParameter('cancelWhenStopped', 0, true)) {
			await cancelGoals(context, ids);
		}
	}
}

/** Reads the files of the goals that have ended, merges them, and makes one zip of them. */
async function withMergedFiles(context: IExecuteFunctions, result: IDataObject): Promise<Delivered> {
	const ended = ((result.items ?? []) as Goal[]).filter(hasEnded);
	const goals: GoalFiles[] = [];
	for (const { id } of ended) {
		goals.push({ id, files: (await resultOf(context, id)).files as DeliveredFile[] });
	}
	const { files, conflicts } = mergeFiles(goals);
	const summary = summaryOf(result, conflicts);
	const json = { ...withStatus(result), summary, conflicts, files };
	if (files.length === 0) return { json };
	const zip = zipOf(files.map((file) => ({ path: file.path, data: bytesOf(file) })));
	return { json, binary: await zipData(context, zip, 'results') };
}

/** Reads the ids of all items, waits where asked, and returns the sums with the goals and their files. */
export async function aggregate(context: IExecuteFunctions, items: number): Promise<Delivered> {
	const ids = idsOf(context, items);
	const ask = async () => await callTool(context, 'aggregate_results', { ids });
	let result = await ask();
	if (context.getNodeParameter('wait', 0) && result.pending !== 0) {
		const seconds = context.getNodeParameter('waitSeconds', 0, DEFAULT_WAIT_SECONDS) as number;
		await waitForAll(context, ids, result, seconds);
		result = await patiently(context, ask);
	}
	return context.getNodeParameter('files', 0, true)
		? await withMergedFiles(context, result)
		: { json: withStatus(result) };
}
