/** The deploy node: plan and deploy together, bound to what was approved. */
import type { IDataObject } from 'n8n-workflow';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { AtosDeploy } from '../nodes/AtosDeploy/AtosDeploy.node';
import { contextOf } from './doubles/context';
import { FakeOrchestrate, ToolFailure } from './doubles/server';

const server = new FakeOrchestrate();
let baseUrl: string;

beforeEach(async () => {
	baseUrl = await server.start();
	server.tools = {
		plan_deployment: () => ({ name: 'kit', planned: { digest: 'd1' } }),
		deploy: () => ({ name: 'kit', state: 'verified', url: 'http://127.0.0.1:9' }),
		stop_deployment: () => ({ name: 'kit', state: 'stopped' }),
		list_deployments: () => ({ deployments: [{ name: 'a' }, { name: 'b' }] }),
	};
});
afterEach(async () => {
	server.calls.length = 0;
	await server.stop();
});

const DEPLOY = { operation: 'deploy', path: '/home/me/atos/kit', target: 'local', marker: 'Hello' };
const run = (parameters: IDataObject) =>
	new AtosDeploy().execute.call(contextOf({ baseUrl, parameters }));

it('deploys what is there, by its digest', async () => {
	const [[item]] = await run(DEPLOY);
	expect(item.json.url).toBe('http://127.0.0.1:9');
	expect(server.calls).toEqual([
		{ tool: 'plan_deployment', args: { path: DEPLOY.path, target: 'local' } },
		{ tool: 'deploy', args: { name: 'kit', digest: 'd1', marker: 'Hello' } },
	]);
});

it('waits for what goes on after the call that began it', async () => {
	const looks = [{ name: 'kit', under_way: true }, { name: 'kit', state: 'verified' }];
	server.tools.deploy = () => ({ name: 'kit', state: 'approved', under_way: true });
	server.tools.verify_deployment = () => looks.shift() as IDataObject;
	const [[item]] = await run(DEPLOY);
	expect(item.json.state).toBe('verified');
	expect(server.calls.map(({ tool }) => tool).slice(2)).toEqual([
		'verify_deployment',
		'verify_deployment',
	]);
});

it('deploys nothing that was not approved', async () => {
	await expect(run({ ...DEPLOY, digest: 'd0' })).rejects.toThrow(/approved was d0/);
	expect(server.calls.map(({ tool }) => tool)).toEqual(['plan_deployment']);
});

it('returns one item for each deployment, and works on one by its name', async () => {
	expect((await run({ operation: 'list' }))[0].map(({ json }) => json.name)).toEqual(['a', 'b']);
	await run({ operation: 'stop', name: 'kit' });
	expect(server.calls.at(-1)).toEqual({ tool: 'stop_deployment', args: { name: 'kit' } });
});

/** A public plan, and what the list says of it look by look; the last one stays. */
function publicly(...states: IDataObject[]) {
	const plan = { name: 'kit', public: true, planned: { digest: 'd1' }, next: 'atos-client deploy kit github' };
	server.tools.plan_deployment = () => ({ ...plan, state: 'planned' });
	server.tools.list_deployments = () => ({
		deployments: [{ ...plan, ...(states.length > 1 ? states.shift() : states[0]) }],
	});
	return { ...DEPLOY, target: 'github', approvalSeconds: 60 };
}
const called = () => server.calls.map(({ tool }) => tool);

it('waits until the person has deployed what is public, and deploys nothing itself', async () => {
	const asked = publicly({ state: 'planned' }, { state: 'applied' }, { state: 'verified', url: 'http://hub' });
	server.tools.verify_deployment = () => {
		throw new ToolFailure('conflict', 'kit is being deployed by another call');
	};
	const [[item]] = await run(asked);
	expect(item.json.url).toBe('http://hub');
	expect(called()).toEqual([
		'plan_deployment',
		'list_deployments',
		'list_deployments',
		'verify_deployment',
		'list_deployments',
	]);
}, 15_000);

it('says that nobody approved it, and with which command one does', async () => {
	const asked = { ...publicly({ state: 'planned' }), approvalSeconds: 0.001 };
	await expect(run(asked)).rejects.toThrow(/Nobody approved d1 within .* atos-client deploy kit github/);
	expect(called()).not.toContain('deploy');
});

it('gives up when something else is planned meanwhile', async () => {
	await expect(run(publicly({ state: 'planned', planned: { digest: 'd2' } }))).rejects.toThrow(
		/planned now is d2, asked for was d1/,
	);
	expect(called()).not.toContain('deploy');
});

it.each(['planned', 'verified'])('does not plan again what was approved and is %s', async (before) => {
	const of = { source: DEPLOY.path, target: 'github' };
	const [[item]] = await run({
		...publicly({ ...of, state: before }, { ...of, state: 'verified', url: 'http://hub' }),
		digest: 'd1',
	});
	expect(item.json.url).toBe('http://hub');
	expect(called()).toEqual(['list_deployments', 'list_deployments']);
});

it('lets a public deployment that nobody waits for be refused at once', async () => {
	server.tools.deploy = () => {
		throw new ToolFailure('refused', 'github is public: only the person can approve kit');
	};
	await expect(run({ ...publicly({ state: 'planned' }), approvalSeconds: 0 })).rejects.toThrow(
		/only the person can approve kit/,
	);
	expect(called()).toEqual(['plan_deployment', 'deploy']);
});

it('looks again at what a target has and does not serve yet', async () => {
	const looks = [{ name: 'kit', state: 'applied' }, { name: 'kit', state: 'verified' }];
	server.tools.verify_deployment = () => looks.shift() as IDataObject;
	const [[item]] = await run({ operation: 'verify', name: 'kit' });
	expect(item.json.state).toBe('verified');
});
