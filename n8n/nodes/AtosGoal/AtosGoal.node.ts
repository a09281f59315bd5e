/** ATOS Goal: start a goal, wait for it, look at it, answer it, end it; its files come with the result. */
import type {
	IExecuteFunctions,
	INodeExecutionData,
	INodeType,
	INodeTypeDescription,
} from 'n8n-workflow';
import { NodeConnectionTypes } from 'n8n-workflow';
import { AtosFailure, attempt, errorItem } from '../shared/failure';
import { itemOf } from '../shared/files';
import { orCancel } from '../shared/stopping';
import { operate } from './operations';
import { properties } from './properties';

export class AtosGoal implements INodeType {
	description: INodeTypeDescription = {
		displayName: 'ATOS Goal',
		name: 'atosGoal',
		icon: { light: 'file:../../icons/atos.svg', dark: 'file:../../icons/atos.dark.svg' },
		group: ['transform'],
		version: [1],
		subtitle: '={{$parameter["operation"]}}',
		description: 'Have local models build and test software; get the files',
		defaults: { name: 'ATOS Goal' },
		inputs: [NodeConnectionTypes.Main],
		outputs: [NodeConnectionTypes.Main],
		usableAsTool: true,
		credentials: [{ name: 'atosApi', required: true }],
		properties,
	};

	async execute(this: IExecuteFunctions): Promise<INodeExecutionData[][]> {
		const returned: INodeExecutionData[] = [];
		const begun: string[] = [];
		await orCancel(this, () => begun, async () => {
			for (let i = 0; i < this.getInputData().length; i++) {
				const found = await attempt(this, i, async () => await operate(this, i, begun));
				if (found instanceof AtosFailure) returned.push(errorItem(found, i));
				else returned.push(...found.map((each) => itemOf(each, i)));
			}
		});
		return [returned];
	}
}
