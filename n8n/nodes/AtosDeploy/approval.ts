/**
 * Waiting for the person: what is public no program may deploy, so the person's own command does it, and this looks on.
 *
 *     planned --(the person runs the command)--> approved --> applied --> verified, or failed
 *        |
 *        +-- another plan: what was asked for is not what would go out. Time over: nobody approved it.
 */
import type { IDataObject, IExecuteFunctions } from 'n8n-workflow';
import { sleep } from 'n8n-workflow';
import { asFailure, AtosFailure } from '../shared/failure';
import { patiently } from '../shared/goals';
import { callTool } from '../shared/transport';

const LOOK_MS = 2_000;
/** How long, in ms, a target may take once the person has approved: Pages is given 15 minutes by ATOS. */
const TARGET_MS = 20 * 60_000;
/** Another call is at it, or it has just ended: the next look tells. */
const PASSING = new Set(['conflict', 'not_found']);

/** One deployment as ATOS lists it. */
export interface Deployment extends IDataObject {
	name: string;
	state: string;
	live: string;
	planned: { digest: string };
}

/** All deployments; ATOS may be starting again meanwhile. */
export async function listed(context: IExecuteFunctions): Promise<Deployment[]> {
	const ask = async () => await callTool(context, 'list_deployments', {}, 'workflow');
	return (await patiently(context, ask)).deployments as Deployment[];
}

async function found(context: IExecuteFunctions, name: string): Promise<Deployment> {
	const one = (await listed(context)).find((each) => each.name === name);
	if (one !== undefined) return one;
	throw new AtosFailure('not_found', `There is no deployment ${name} any more`, 'Plan it again.');
}

/** Has ATOS look at what was put there and does not answer yet. */
async function look(context: IExecuteFunctions, name: string): Promise<void> {
	try {
		await callTool(context, 'verify_deployment', { name }, 'workflow');
	} catch (error) {
		const failure = asFailure(error);
		if (!PASSING.has(failure.code)) throw failure;
	}
}

/** Waits until a person has deployed exactly what was planned, and returns what became of it. */
export async function deployedByThePerson(
	context: IExecuteFunctions,
	planned: Deployment,
	seconds: number,
): Promise<Deployment> {
	const { name, planned: { digest } } = planned;
	const giveUp = Date.now() + seconds * 1000;
	for (;;) {
		const now = await found(context, name);
		if (now.planned.digest !== digest) {
			const message = `What is planned now is ${now.planned.digest.slice(0, 12)}, asked for was ${digest.slice(0, 12)}`;
			throw new AtosFailure('conflict', message, 'Look at the new plan, and approve that.');
		}
		const waits = now.state === 'planned';
		if (!waits && now.state !== 'approved' && now.state !== 'applied') return now;
		if (Date.now() > giveUp + (waits ? 0 : TARGET_MS)) throw late(planned, seconds, waits);
		if (now.state === 'applied') await look(context, name);
		await sleep(LOOK_MS);
	}
}

function late(planned: Deployment, seconds: number, waits: boolean): AtosFailure {
	if (!waits) {
		const message = `${planned.name} was approved, and has not ended since`;
		return new AtosFailure('deadline', message, `Look at it: atos-client deployments verify ${planned.name}`);
	}
	const message = `Nobody approved ${planned.planned.digest.slice(0, 12)} within ${seconds} s; nothing was sent`;
	return new AtosFailure('refused', message, String(planned.next ?? ''));
}
