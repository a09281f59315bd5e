/**
 * ATOS Agent Router: gives each item's task to ATOS and passes on its goal.
 *
 * ATOS classifies, queues and owns the GPU; the node only hands over, waits where asked, and picks
 * the output. An item that fails leaves by the error output with the status for the caller.
 */
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
import { properties } from './properties';
import type { Started } from './route';
import { ownGoals, route, startTask } from './route';

/**
 * One output by default: a webhook that answers with the last node, and an AI agent that uses the
 * node as a tool, both read output 0 only. Three outputs are for workflows that branch on them.
 */
const OUTPUTS = `={{ $parameter["outputMode"] === "perComplexity"
	? [
		{ type: "main", displayName: "Simple" },
		{ type: "main", displayName: "Medium" },
		{ type: "main", displayName: "Complex" },
	]
	: [{ type: "main" }] }}` as const;

export class AtosAgentRouter implements INodeType {
	description: INodeTypeDescription = {
		displayName: 'ATOS Agent Router',
		name: 'atosAgentRouter',
		icon: { light: 'file:../../icons/atos.svg', dark: 'file:../../icons/atos.dark.svg' },
		group: ['transform'],
		version: [1],
		subtitle:
			'={{ {classify: "classify", routeTask: "route to " + $parameter["pool"], runTask: "run on " + $parameter["pool"]}[$parameter["operation"]] }}',
		description: 'Give a task to the pool of local models that suits it',
		defaults: { name: 'ATOS Agent Router' },
		inputs: [NodeConnectionTypes.Main],
		outputs: OUTPUTS,
		usableAsTool: true,
		credentials: [{ name: 'atosApi', required: true }],
		properties,
	};

	async execute(this: IExecuteFunctions): Promise<INodeExecutionData[][]> {
		const items = this.getInputData();
		const perComplexity = this.getNodeParameter('outputMode', 0) === 'perComplexity';
		const operation = this.getNodeParameter('operation', 0);
		const outputs: INodeExecutionData[][] = perComplexity ? [[], [], []] : [[]];

		// All tasks are handed over before any is waited for, so that ATOS can order them.
		const started: Array<Started | AtosFailure | undefined> = [];
		await orCancel(this, () => ownGoals(started), async () => {
			for (let i = 0; i < items.length; i++) {
				const begin = async () => (operation === 'runTask' ? await startTask(this, i) : undefined);
				started.push(await attempt(this, i, begin));
			}
			for (let i = 0; i < items.length; i++) {
				const routed = await attempt(this, i, async () => {
					return await route(this, i, started[i], perComplexity);
				});
				if (routed instanceof AtosFailure) outputs[0].push(errorItem(routed, i));
				else outputs[routed.output].push(itemOf(routed, i));
			}
		});
		return outputs;
	}
}
