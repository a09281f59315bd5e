/** What the ATOS Deploy node does with one item: one tool of the workflow server, or plan and deploy together. */
import type { IDataObject, IExecuteFunctions } from 'n8n-workflow';
import { AtosFailure } from '../shared/failure';
import type { Deployment } from './approval';
import { deployedByThePerson, listed } from './approval';
import { callTool } from '../shared/transport';

/** Operation on a deployment that exists -> its tool. */
const ON_A_DEPLOYMENT: Record<string, string> = {
	verify: 'verify_deployment',
	stop: 'stop_deployment',
	start: 'start_deployment',
	rollBack: 'roll_back',
	log: 'deployment_log',
};

async function call(
	context: IExecuteFunctions,
	tool: string,
	given: IDataObject,
): Promise<IDataObject> {
	return await callTool(context, tool, given, 'workflow');
}

function required(context: IExecuteFunctions, item: number, name: string, shown: string): string {
	const value = String(context.getNodeParameter(name, item, '') ?? '').trim();
	if (value !== '') return value;
	throw new AtosFailure('bad_request', `${shown} is empty`, `Set ${shown}.`);
}

async function plan(context: IExecuteFunctions, item: number): Promise<IDataObject> {
	const path = required(context, item, 'path', 'Repository');
	const target = context.getNodeParameter('target', item, 'local') as string;
	const name = String(context.getNodeParameter('newName', item, '') ?? '').trim();
	const destination =
		target === 'local' ? '' : String(context.getNodeParameter('destination', item, '') ?? '').trim();
	return await call(context, 'plan_deployment', {
		path,
		target,
		...(name ? { name } : {}),
		...(destination ? { destination } : {}),
	});
}

/** What is planned or live of a folder under the digest that was approved, where others will see it. */
async function publicPlan(
	context: IExecuteFunctions,
	item: number,
	approved: string,
): Promise<Deployment | undefined> {
	const path = required(context, item, 'path', 'Repository');
	const target = context.getNodeParameter('target', item, 'local') as string;
	const known = (await listed(context)).find((each) => each.source === path && each.target === target);
	return known?.public === true && known.planned.digest === approved ? known : undefined;
}

/** Deploys what was planned: the digest is what a person approved; without one, what is there now. */
async function deploy(context: IExecuteFunctions, item: number): Promise<IDataObject> {
	const marker = String(context.getNodeParameter('marker', item, '') ?? '');
	const approved = String(context.getNodeParameter('digest', item, '') ?? '').trim();
	const patience = Number(context.getNodeParameter('approvalSeconds', item, 0) ?? 0);
	const dryRun = context.getNodeParameter('dryRun', item, false) === true;
	if (patience > 0 && approved !== '' && !dryRun) {
		// Not planned again: the person's command does, and may be at it, or be done with it.
		const known = await publicPlan(context, item, approved);
		if (known !== undefined) return await deployedByThePerson(context, known, patience);
	}
	const planned = await plan(context, item);
	if (dryRun) return planned;
	const digest = String((planned.planned as IDataObject).digest);
	if (approved !== '' && approved !== digest) {
		const message = `What is there now is ${digest.slice(0, 12)}, approved was ${approved.slice(0, 12)}`;
		throw new AtosFailure('conflict', message, 'Look at the new plan, and approve that.');
	}
	if (planned.public === true && patience > 0) {
		return await deployedByThePerson(context, planned as Deployment, patience);
	}
	return await waitedFor(context, await call(context, 'deploy', { name: planned.name, digest, marker }));
}

/** How often is looked again at what a target has, and does not serve yet: each look takes up to 15 s. */
const LOOKS = 40;

/** A deployment that takes longer than a call goes on after it; the next call waits for it. */
async function waitedFor(context: IExecuteFunctions, begun: IDataObject): Promise<IDataObject> {
	let found = begun;
	let looks = LOOKS;
	while (found.under_way === true || (found.state === 'applied' && looks-- > 0)) {
		found = await call(context, 'verify_deployment', { name: found.name });
	}
	return found;
}

export async function operate(context: IExecuteFunctions, item: number): Promise<IDataObject[]> {
	const operation = context.getNodeParameter('operation', item) as string;
	if (operation === 'plan') return [await plan(context, item)];
	if (operation === 'deploy') return [await deploy(context, item)];
	if (operation === 'list') {
		return (await call(context, 'list_deployments', {})).deployments as IDataObject[];
	}
	const name = required(context, item, 'name', 'Deployment');
	return [await waitedFor(context, await call(context, ON_A_DEPLOYMENT[operation], { name }))];
}
