/** What a person sets on the ATOS Deploy. */
import type { INodeProperties } from 'n8n-workflow';

const OF_A_FOLDER = ['deploy', 'plan'];

export const properties: INodeProperties[] = [
	{
		displayName: 'Operation',
		name: 'operation',
		type: 'options',
		noDataExpression: true,
		options: [
			{
				name: 'Deploy',
				value: 'deploy',
				description: 'Deploy a repository and verify that it answers',
				action: 'Deploy a repository',
			},
			{
				name: 'Get Log',
				value: 'log',
				description: 'Read what a deployment printed last',
				action: 'Get the log of a deployment',
			},
			{
				name: 'List',
				value: 'list',
				description: 'List deployments with their addresses',
				action: 'List deployments',
			},
			{
				name: 'Plan',
				value: 'plan',
				description: 'Say what would go out, and change nothing',
				action: 'Plan a deployment',
			},
			{
				name: 'Roll Back',
				value: 'rollBack',
				description: 'Bring back the release before',
				action: 'Roll back a deployment',
			},
			{
				name: 'Start',
				value: 'start',
				description: 'Bring a stopped deployment up again',
				action: 'Start a deployment',
			},
			{
				name: 'Stop',
				value: 'stop',
				description: 'Take a deployment down',
				action: 'Stop a deployment',
			},
			{
				name: 'Verify',
				value: 'verify',
				description: 'Look again whether it answers',
				action: 'Verify a deployment',
			},
		],
		default: 'deploy',
	},
	{
		displayName: 'Repository',
		name: 'path',
		type: 'string',
		displayOptions: { show: { operation: OF_A_FOLDER } },
		default: '={{ $json.repository }}',
		required: true,
		description: 'Folder of a goal, on the machine of ATOS; an ATOS Goal passes it on',
	},
	{
		displayName: 'Target',
		name: 'target',
		type: 'options',
		displayOptions: { show: { operation: OF_A_FOLDER } },
		options: [
			{ name: 'Cloudflare', value: 'cloudflare', description: 'A site, by wrangler' },
			{ name: 'GitHub', value: 'github', description: 'A repository of yours, or a pull request' },
			{ name: 'GitHub Pages', value: 'pages', description: 'The same, served by GitHub as a site' },
			{ name: 'Heroku', value: 'heroku', description: 'An app, built and run there' },
			{ name: 'Local', value: 'local', description: 'On the machine of ATOS, in its sandbox' },
			{ name: 'Webhook', value: 'webhook', description: 'Anything else, through a workflow' },
		],
		default: 'local',
		hint: 'What is public the person approves in a terminal: the plan says with which command, and "Wait for Approval" waits for that',
		description: 'Where to deploy; others by an expression, as the documentation of ATOS names them',
	},
	{
		displayName: 'Destination',
		name: 'destination',
		type: 'string',
		// Hidden by the target's name, not shown by it: n8n drops what is not shown, also where the target is an expression.
		displayOptions: { show: { operation: OF_A_FOLDER }, hide: { target: ['cloudflare', 'local'] } },
		default: '',
		placeholder: 'e.g. jane/toolkit',
		description: 'OWNER/NAME of the repository, the app of Heroku, or the workflow; empty: one of your own',
	},
	{
		displayName: 'Name',
		name: 'newName',
		type: 'string',
		displayOptions: { show: { operation: OF_A_FOLDER } },
		default: '',
		description: 'Of the deployment; empty: from the folder',
	},
	{
		displayName: 'Dry Run',
		name: 'dryRun',
		type: 'boolean',
		displayOptions: { show: { operation: ['deploy'] } },
		default: false,
		description: 'Whether to say what would go out, and change nothing',
	},
	{
		displayName: 'Approved Digest',
		name: 'digest',
		type: 'string',
		displayOptions: { show: { operation: ['deploy'] } },
		default: '',
		description:
			'Digest of the plan that a person approved: nothing else goes out. Empty: what is there now.',
	},
	{
		displayName: 'Wait for Approval (Seconds)',
		name: 'approvalSeconds',
		type: 'number',
		typeOptions: { minValue: 0 },
		displayOptions: { show: { operation: ['deploy'] } },
		default: 0,
		description:
			'How long to wait, where others will see it, until the person has run the command that the plan tells. 0: refused at once.',
	},
	{
		displayName: 'Marker',
		name: 'marker',
		type: 'string',
		displayOptions: { show: { operation: ['deploy'] } },
		default: '',
		description: 'Text that the root page must hold',
	},
	{
		displayName: 'Deployment',
		name: 'name',
		type: 'string',
		displayOptions: { show: { operation: ['log', 'rollBack', 'start', 'stop', 'verify'] } },
		default: '={{ $json.name }}',
		required: true,
	},
];
