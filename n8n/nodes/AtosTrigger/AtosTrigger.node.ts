/**
 * ATOS Trigger: starts a workflow when a goal ends, asks something, or was deployed.
 *
 * ATOS calls back with a signature over time and body, made with a secret that this node invents when the workflow
 * is activated. Callbacks may come twice or late, so each is taken once, by its id.
 */
import { randomBytes } from 'node:crypto';
import type {
	IDataObject,
	IHookFunctions,
	INodeType,
	INodeTypeDescription,
	IWebhookFunctions,
	IWebhookResponseData,
} from 'n8n-workflow';
import { NodeConnectionTypes } from 'n8n-workflow';
import { callRoute } from '../shared/transport';
import { accept, isSigned } from './callback';

const CALLBACKS = '/callbacks';
const SECRET_BYTES = 32;

export class AtosTrigger implements INodeType {
	description: INodeTypeDescription = {
		displayName: 'ATOS Trigger',
		name: 'atosTrigger',
		icon: { light: 'file:../../icons/atos.svg', dark: 'file:../../icons/atos.dark.svg' },
		group: ['trigger'],
		version: [1],
		subtitle: '={{$parameter["events"].join(", ")}}',
		description: 'Starts when a goal ends, asks something, or was deployed',
		defaults: { name: 'ATOS Trigger' },
		inputs: [],
		outputs: [NodeConnectionTypes.Main],
		credentials: [{ name: 'atosApi', required: true }],
		webhooks: [{ name: 'default', httpMethod: 'POST', responseMode: 'onReceived', path: 'atos' }],
		properties: [
			{
				displayName: 'Events',
				name: 'events',
				type: 'multiOptions',
				options: [
					{ name: 'Deployment Verified', value: 'deployment.verified' },
					{ name: 'Goal Ended', value: 'goal.ended' },
					{ name: 'Question Asked', value: 'goal.asked' },
				],
				default: ['goal.ended'],
				required: true,
				hint: 'Only goals that were started with the token of the credential',
			},
		],
	};

	webhookMethods = {
		default: {
			async checkExists(this: IHookFunctions): Promise<boolean> {
				const known = this.getWorkflowStaticData('node').subscription as string | undefined;
				if (!known) return false;
				const { callbacks } = await callRoute(this, 'GET', CALLBACKS);
				const url = this.getNodeWebhookUrl('default');
				return (callbacks as IDataObject[]).some((each) => each.id === known && each.url === url);
			},

			async create(this: IHookFunctions): Promise<boolean> {
				const kept = this.getWorkflowStaticData('node');
				const secret = randomBytes(SECRET_BYTES).toString('hex');
				const made = await callRoute(this, 'POST', CALLBACKS, {
					url: this.getNodeWebhookUrl('default'),
					events: this.getNodeParameter('events') as string[],
					secret,
				});
				Object.assign(kept, { subscription: made.id, secret, seen: [] });
				return true;
			},

			async delete(this: IHookFunctions): Promise<boolean> {
				const kept = this.getWorkflowStaticData('node');
				if (kept.subscription) {
					await callRoute(this, 'DELETE', `${CALLBACKS}/${String(kept.subscription)}`);
				}
				delete kept.subscription;
				delete kept.secret;
				return true;
			},
		},
	};

	async webhook(this: IWebhookFunctions): Promise<IWebhookResponseData> {
		const kept = this.getWorkflowStaticData('node');
		const request = this.getRequestObject();
		const raw = request.rawBody ?? Buffer.from(JSON.stringify(request.body ?? {}));
		const headers = this.getHeaderData() as IDataObject;
		if (!isSigned(String(kept.secret ?? ''), headers, raw, Date.now() / 1000)) {
			this.getResponseObject().status(401).json({ error: 'the signature is missing, wrong or old' });
			return { noWebhookResponse: true };
		}
		const body = this.getBodyData();
		if (!accept(kept, String(body.id ?? ''))) {
			return { webhookResponse: { taken: false } }; // it had come before
		}
		return { workflowData: [this.helpers.returnJsonArray([body])] };
	}
}
