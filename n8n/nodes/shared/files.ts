/**
 * What a goal delivered, as n8n carries it: the files as JSON, and all of them as a zip in binary data.
 *
 * ATOS may run on another machine or in another container, so a path would be of no use here.
 */
import type {
	IBinaryKeyData,
	IDataObject,
	IExecuteFunctions,
	INodeExecutionData,
} from 'n8n-workflow';
import type { Goal } from './goals';
import { hasEnded, patiently } from './goals';
import { callRoute } from './transport';

export interface DeliveredFile extends IDataObject {
	path: string;
	bytes: number;
	/** Of a text file; any other has `base64`. */
	text?: string;
	base64?: string;
}

export interface Delivered {
	json: IDataObject;
	binary?: IBinaryKeyData;
}

/** The name under which the zip is in the binary data of an item. */
const BINARY = 'files';

/** The goal's result: state, commit, tests, files; the zip apart, in base64. */
export async function resultOf(context: IExecuteFunctions, id: string): Promise<IDataObject> {
	const path = `/goals/${encodeURIComponent(id)}/result`;
	return await patiently(context, async () => await callRoute(context, 'GET', path));
}

/** A zip as binary data of an item. */
export async function zipData(
	context: IExecuteFunctions,
	zip: Buffer,
	name: string,
): Promise<IBinaryKeyData> {
	const file = await context.helpers.prepareBinaryData(zip, `${name}.zip`, 'application/zip');
	return { [BINARY]: file };
}

/** Adds commit, test report, files and zip to a goal that has ended; one at work stays as it is. */
export async function withFiles(
	context: IExecuteFunctions,
	goal: Goal,
	json: IDataObject,
): Promise<Delivered> {
	if (!hasEnded(goal)) return { json };
	const { zip, commit, tests, files } = await resultOf(context, goal.id);
	const delivered = { ...json, commit, tests, files };
	if (typeof zip !== 'string' || zip === '') return { json: delivered };
	return { json: delivered, binary: await zipData(context, Buffer.from(zip, 'base64'), goal.id) };
}

/** An item of n8n for what came of item number `item`. */
export function itemOf({ json, binary }: Delivered, item: number): INodeExecutionData {
	return { json, ...(binary ? { binary } : {}), pairedItem: { item } };
}
