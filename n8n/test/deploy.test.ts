/** The deploy node: plan and deploy together, bound to what was approved. */
import type { IDataObject } from 'n8n-workflow';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { AtosDeploy } from '../nodes/AtosDeploy/AtosDeploy.node';
import { contextOf } from './doubles/context';
import { FakeOrchestrate } from './doubles/server';

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
