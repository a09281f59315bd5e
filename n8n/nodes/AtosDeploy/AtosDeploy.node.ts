/** ATOS Deploy: plan, deploy and verify what a goal made; list, stop, start and roll back what is up. */
import type {
	IExecuteFunctions,
	INodeExecutionData,
	INodeType,
	INodeTypeDescription,
} from 'n8n-workflow';
import { NodeConnectionTypes } from 'n8n-workflow';
import { AtosFailure, attempt, errorItem } from '../shared/failure';
import { operate } from './operations';
import { properties } from './properties';

export class AtosDeploy implements INodeType {
	description: INodeTypeDescription = {
		displayName: 'ATOS Deploy',
		name: 'atosDeploy',
		icon: { light: 'file:../../icons/atos.svg', dark: 'file:../../icons/atos.dark.svg' },
		group: ['output'],
		version: [1],
		subtitle: '={{$parameter["operation"]}}',
		description: 'Deploy what a goal made, and verify that it answers',
		defaults: { name: 'ATOS Deploy' },
		inputs: [NodeConnectionTypes.Main],
		outputs: [NodeConnectionTypes.Main],
		usableAsTool: true,
		credentials: [{ name: 'atosApi', required: true }],
		properties,
	};

	async execute(this: IExecuteFunctions): Promise<INodeExecutionData[][]> {
		const returned: INodeExecutionData[] = [];
		for (let item = 0; item < this.getInputData().length; item++) {
			const found = await attempt(this, item, async () => await operate(this, item));
			if (found instanceof AtosFailure) returned.push(errorItem(found, item));
			else returned.push(...found.map((json) => ({ json, pairedItem: { item } })));
		}
		return [returned];
	}
}
