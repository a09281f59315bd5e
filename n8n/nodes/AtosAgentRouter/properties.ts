/** What a person sets on the ATOS Agent Router. */
import type { INodeProperties } from 'n8n-workflow';

export const properties: INodeProperties[] = [
	{
		displayName: 'Operation',
		name: 'operation',
		type: 'options',
		noDataExpression: true,
		options: [
			{
				name: 'Classify',
				value: 'classify',
				description: 'Plan a task and say which pool it needs, without starting it',
				action: 'Classify a task',
			},
			{
				name: "Route a Goal's Task",
				value: 'routeTask',
				description: 'Say with which pool a task begins that a goal handed to this workflow',
				action: 'Route a task of a goal',
			},
			{
				name: 'Run Task',
				value: 'runTask',
				description: 'Start a task on a pool and return its goal',
				action: 'Run a task',
			},
		],
		default: 'runTask',
	},
	{
		displayName: 'Task',
		name: 'task',
		type: 'string',
		displayOptions: { show: { operation: ['classify', 'runTask'] } },
		typeOptions: { rows: 4 },
		default: '',
		required: true,
		placeholder: 'e.g. Write a Python function to add two numbers',
		description: 'What has to be done, in plain words',
	},
	{
		displayName: 'Ticket',
		name: 'ticket',
		type: 'string',
		displayOptions: { show: { operation: ['routeTask'] } },
		default: '={{ $json.body.ticket }}',
		required: true,
		hint: 'What ATOS sent with the task: atos-client build GOAL --router n8n',
		description: 'Of the task that waits; it needs no other right to the goal',
	},
	{
		displayName: 'Pool',
		name: 'pool',
		type: 'options',
		displayOptions: { show: { operation: ['routeTask', 'runTask'] } },
		options: [
			{ name: 'Auto', value: 'auto', description: 'ATOS classifies the task' },
			{ name: 'Complex', value: 'complex', description: 'Algorithms, full modules, hard bugs' },
			{ name: 'Medium', value: 'medium', description: 'API calls, database queries, workflows' },
			{ name: 'Simple', value: 'simple', description: 'File input and output, parsing, settings' },
		],
		default: 'auto',
		description: 'Which models do the work',
	},
	{
		displayName: 'Outputs',
		name: 'outputMode',
		type: 'options',
		noDataExpression: true,
		options: [
			{ name: 'One Output', value: 'single', description: 'Every item leaves by the same output' },
			{
				name: 'One per Complexity',
				value: 'perComplexity',
				description: 'Simple, medium and complex tasks leave by different outputs',
			},
		],
		default: 'single',
	},
	{
		displayName: 'Wait for the Result',
		name: 'wait',
		type: 'boolean',
		displayOptions: { show: { operation: ['runTask'] } },
		default: false,
		description: 'Whether to return when the goal has ended rather than when it has started',
	},
	{
		displayName: 'Options',
		name: 'options',
		type: 'collection',
		placeholder: 'Add option',
		displayOptions: { show: { operation: ['runTask'] } },
		default: {},
		options: [
			{
				displayName: 'Idempotency Key',
				name: 'key',
				type: 'string',
				default: '',
				description:
					'The same key never starts a second goal. Empty: one key per execution, node, run and item, so that retrying a node is safe.',
			},
			{
				displayName: 'Wait at Most (Seconds)',
				name: 'waitSeconds',
				type: 'number',
				typeOptions: { minValue: 1 },
				default: 300,
				description: 'After this long the goal is returned as it is then; it goes on in ATOS',
			},
		],
	},
];
