/** ATOS Result Aggregator: all items in, one item out, with every goal and the sums over them. */
import type {
	IExecuteFunctions,
	INodeExecutionData,
	INodeType,
	INodeTypeDescription,
} from 'n8n-workflow';
import { NodeConnectionTypes } from 'n8n-workflow';
import { AtosFailure, attempt, errorItem } from '../shared/failure';
import { itemOf } from '../shared/files';
import { aggregate } from './aggregate';
import { properties } from './properties';

export class AtosResultAggregator implements INodeType {
	description: INodeTypeDescription = {
		displayName: 'ATOS Result Aggregator',
		name: 'atosResultAggregator',
		icon: { light: 'file:../../icons/atos.svg', dark: 'file:../../icons/atos.dark.svg' },
		group: ['transform'],
		version: [1],
		subtitle: '={{$parameter["wait"] ? "wait for all" : "as they are now"}}',
		description: 'Collect the goals of all items into one result: files merged, tests counted',
		defaults: { name: 'ATOS Result Aggregator' },
		inputs: [NodeConnectionTypes.Main],
		outputs: [NodeConnectionTypes.Main],
		usableAsTool: true,
		credentials: [{ name: 'atosApi', required: true }],
		properties,
	};

	async execute(this: IExecuteFunctions): Promise<INodeExecutionData[][]> {
		const items = this.getInputData();
		const merged = await attempt(this, 0, async () => await aggregate(this, items.length));
		if (merged instanceof AtosFailure) return [[errorItem(merged, 0)]];
		return [[{ ...itemOf(merged, 0), pairedItem: items.map((_, item) => ({ item })) }]];
	}
}
