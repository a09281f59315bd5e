/** What a person sets on the ATOS Result Aggregator. */
import type { INodeProperties } from 'n8n-workflow';

export const properties: INodeProperties[] = [
	{
		displayName: 'Goal ID',
		name: 'goalId',
		type: 'string',
		default: '={{ $json.id }}',
		required: true,
		description: 'Read once per item; each may hold several IDs, separated by commas',
	},
	{
		displayName: 'Wait Until All Have Ended',
		name: 'wait',
		type: 'boolean',
		default: true,
		description: 'Whether to wait for goals that are still at work',
	},
	{
		displayName: 'Wait at Most (Seconds)',
		name: 'waitSeconds',
		type: 'number',
		typeOptions: { minValue: 1 },
		displayOptions: { show: { wait: [true] } },
		default: 300,
		description: 'After this long the goals are returned as they are then; they go on in ATOS',
	},
	{
		displayName: 'Merge Files',
		name: 'files',
		type: 'boolean',
		default: true,
		description:
			'Whether to add the files of all goals, as JSON and as a zip in the binary field "files"',
	},
	{
		displayName: 'Cancel When Stopped',
		name: 'cancelWhenStopped',
		type: 'boolean',
		displayOptions: { show: { wait: [true] } },
		default: true,
		description: 'Whether stopping this execution also cancels the goals that it waits for',
	},
];
