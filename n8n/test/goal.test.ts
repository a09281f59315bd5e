/** The goal node over HTTP: its operations, the files, and what becomes of a goal when things go wrong. */
import type { IDataObject } from 'n8n-workflow';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AtosGoal } from '../nodes/AtosGoal/AtosGoal.node';
import { contextOf, type Setup } from './doubles/context';
import { FakeOrchestrate, ToolFailure } from './doubles/server';

const START = { operation: 'start', goal: 'Add two numbers', wait: true };
const FILES = [{ path: 'add.py', bytes: 6, text: 'x = 1\n' }];
const RESULT = {
	commit: 'c0ffee',
	tests: { passed: 4, failed: 0 },
	files: FILES,
	zip: Buffer.from('a zip').toString('base64'),
};
const server = new FakeOrchestrate();
let baseUrl: string;

const goal = (state: string, more: object = {}) => ({ id: 'g1', state, tasks: [], seq: 1, ...more });
const ended = () => ({ events: [], seq: 2, goal: goal('success') });

beforeEach(async () => {
	baseUrl = await server.start();
	server.tools = { start_goal: () => goal('queued'), wait_goal: ended, cancel_goal: () => goal('cancelled') };
	server.routes = { '/goals/g1/result': RESULT };
});
afterEach(async () => {
	server.calls.length = 0;
	server.override = undefined;
	await server.stop();
});

function run(parameters: IDataObject | IDataObject[], setup: Partial<Setup> = {}) {
	return new AtosGoal().execute.call(contextOf({ baseUrl, parameters, ...setup }));
}
const tools = () => server.calls.map(({ tool }) => tool);

describe('a goal', () => {
	it('comes with its files, its tests, its commit, and a zip', async () => {
		const [[item]] = await run({ ...START, options: { examples: 'add(1, 2) == 3\n\nadd(0, 0) == 0' } });
		expect(server.calls[0].args).toMatchObject({
			goal: 'Add two numbers',
			examples: ['add(1, 2) == 3', 'add(0, 0) == 0'],
		});
		expect(item).toEqual({
			json: {
				...goal('success'),
				ended: true,
				commit: 'c0ffee',
				tests: { passed: 4, failed: 0 },
				files: FILES,
			},
			binary: { files: { data: RESULT.zip, fileName: 'g1.zip', mimeType: 'application/zip' } },
			pairedItem: { item: 0 },
		});
	});

	it('calls back a waiting execution, once, and is not waited for here', async () => {
		server.routes['/callbacks'] = { id: 'c1' };
		const callbackUrl = 'http://127.0.0.1:5678/webhook-waiting/7?signature=x';
		const [[item]] = await run({ ...START, wait: false, options: { callbackUrl } });
		expect(item.json).toMatchObject({ id: 'g1', state: 'queued', ended: false });
		expect(tools()).toEqual(['start_goal']);
		expect(server.posted).toEqual([
			{
				path: '/callbacks',
				body: {
					url: callbackUrl,
					events: ['goal.ended', 'goal.asked'],
					secret: expect.stringMatching(/^[0-9a-f]{64}$/),
					goal_id: 'g1',
				},
			},
		]);
	});

	it('that nobody can be told of is ended, as its execution fails', async () => {
		const options = { callbackUrl: 'http://far.example/x' };
		await expect(run({ ...START, wait: false, options })).rejects.toThrow();
		expect(tools()).toEqual(['start_goal', 'cancel_goal']);
	});

	it('is answered by the task that asks', async () => {
		const asking = { tasks: [{ id: 'T1' }, { id: 'T2', question: { text: '1 or 1.5?' } }] };
		server.tools.get_goal = () => goal('needs_help', asking);
		server.tools.answer_question = () => goal('queued');
		await run({ operation: 'answer', goalId: 'g1', answer: '2' });
		expect(server.calls[1].args).toEqual({ goal_id: 'g1', task_id: 'T2', answer: '2' });
	});

	it('that asks nothing is not answered', async () => {
		server.tools.get_goal = () => goal('running');
		await expect(run({ operation: 'answer', goalId: 'g1', answer: '2' })).rejects.toThrow(
			'Goal g1 is running and asks nothing. Set Task ID to give a task one more example.',
		);
	});

	it('is one item of a list', async () => {
		server.tools.list_goals = () => ({ goals: [goal('running'), goal('success', { id: 'g2' })] });
		const [items] = await run({ operation: 'list', limit: 2 });
		expect(items.map(({ json }) => [json.id, json.ended])).toEqual([
			['g1', false],
			['g2', true],
		]);
	});
});

describe('trouble', () => {
	it('of a restart in mid-wait is ridden through', async () => {
		let refused = 0;
		server.tools.wait_goal = () => {
			server.override = (_request, response) => {
				refused++;
				if (refused === 2) server.override = undefined;
				response.writeHead(503, { 'content-type': 'application/json' }).end('{}');
			};
			server.tools.wait_goal = ended;
			return { events: [], seq: 2, goal: goal('running') };
		};
		const [[item]] = await run(START);
		expect(item.json.state).toBe('success');
		expect(refused).toBe(2);
	});

	it('at a start is told at once, with what to do', async () => {
		await server.stop();
		await expect(run(START)).rejects.toThrow(/Start it with "atos-client up"/);
		await server.start();
	});

	it('at one item leaves no goal of another one at work', async () => {
		server.tools.wait_goal = () => {
			throw new ToolFailure('out_of_scope', 'too large', 'Ask for less.');
		};
		await expect(run(START)).rejects.toThrow('too large. Ask for less.');
		expect(server.calls.at(-1)).toEqual({ tool: 'cancel_goal', args: { goal_id: 'g1' } });
	});

	it('leaves a goal alone whose key a person gave', async () => {
		server.tools.wait_goal = () => {
			throw new ToolFailure('internal', 'broken');
		};
		await expect(run({ ...START, options: { key: 'order-7' } })).rejects.toThrow('broken');
		expect(tools()).not.toContain('cancel_goal');
	});

	it('does not happen when the execution is stopped: its goal ends with it', async () => {
		const stop = new AbortController();
		server.tools.wait_goal = () => {
			stop.abort();
			return { events: [], seq: 2, goal: goal('running') };
		};
		await expect(run(START, { cancel: stop.signal, goesOn: true })).rejects.toThrow();
		expect(tools()).toContain('cancel_goal');
	});

	it('does not happen when it is stopped while the goal is being started', async () => {
		const stop = new AbortController();
		server.tools.start_goal = () => {
			stop.abort();
			return goal('queued');
		};
		await expect(run(START, { cancel: stop.signal, goesOn: true })).rejects.toThrow();
		expect(tools()).toEqual(['start_goal', 'cancel_goal']);
	});

	it('leaves no goal behind that was only to be started when the execution was stopped', async () => {
		const stop = new AbortController();
		server.tools.start_goal = () => {
			stop.abort();
			return goal('queued');
		};
		await run({ ...START, wait: false }, { cancel: stop.signal });
		expect(tools()).toEqual(['start_goal', 'cancel_goal']);
	});

	it('makes the next try another goal, as the first was cancelled', async () => {
		const kept = {};
		server.tools.wait_goal = () => {
			throw new ToolFailure('internal', 'broken');
		};
		await expect(run(START, { kept })).rejects.toThrow('broken');
		server.tools.wait_goal = ended;
		await run(START, { kept });
		const keys = server.calls.filter(({ tool }) => tool === 'start_goal').map(({ args }) => args.key);
		expect(new Set(keys).size).toBe(2);
	});
});
