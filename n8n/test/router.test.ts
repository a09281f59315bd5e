/** The router node over HTTP: what it asks of ATOS, and by which output its items leave. */
import type { IDataObject } from 'n8n-workflow';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AtosAgentRouter } from '../nodes/AtosAgentRouter/AtosAgentRouter.node';
import { contextOf, type Setup } from './doubles/context';
import { FakeOrchestrate, ToolFailure } from './doubles/server';

const TASK = 'Write a Python function to add two numbers';
const RUN = { operation: 'runTask', task: TASK, pool: 'auto', outputMode: 'single', wait: false };
const server = new FakeOrchestrate();
let baseUrl: string;

beforeEach(async () => {
	baseUrl = await server.start();
	server.tools = { run_task: () => ({ id: 'g1', state: 'queued', tasks: [], seq: 1 }) };
});
afterEach(async () => {
	server.calls.length = 0;
	await server.stop();
});

function run(parameters: IDataObject | IDataObject[], setup: Partial<Setup> = {}) {
	const context = contextOf({ baseUrl, parameters, ...setup });
	return new AtosAgentRouter().execute.call(context);
}

function goal(state: string, complexity?: string, seq = 2) {
	const tasks = complexity ? [{ id: 'T1', complexity }] : [];
	return { events: [], seq, goal: { id: 'g1', state, tasks, seq } };
}

const keys = () => server.calls.map(({ args }) => args.key);

describe('running a task', () => {
	it('hands it over and passes the goal on without waiting', async () => {
		const outputs = await run({ ...RUN, pool: 'medium' });
		expect(outputs).toMatchInlineSnapshot(`
			[
			  [
			    {
			      "json": {
			        "complexity": "medium",
			        "ended": false,
			        "id": "g1",
			        "seq": 1,
			        "state": "queued",
			        "tasks": [],
			      },
			      "pairedItem": {
			        "item": 0,
			      },
			    },
			  ],
			]
		`);
		expect(server.calls).toMatchObject([{ tool: 'run_task', args: { task: TASK, pool: 'medium' } }]);
	});

	it('waits for the end by long calls that go on where the last one stopped', async () => {
		const news = [goal('running', 'simple', 5), goal('success', 'simple', 9)];
		server.tools.wait_goal = () => news.shift();
		const [[item]] = await run({ ...RUN, wait: true });
		expect(item.json).toMatchObject({ state: 'success', complexity: 'simple', ended: true });
		expect(server.calls.slice(1).map(({ args }) => args)).toEqual([
			{ goal_id: 'g1', after_seq: 1, timeout_s: 20, detail: 'events' },
			{ goal_id: 'g1', after_seq: 5, timeout_s: 20, detail: 'events' },
		]);
	});

	it('hands all items over before it waits for any', async () => {
		server.tools.wait_goal = () => goal('success', 'simple');
		const items = [{ json: {} }, { json: {} }, { json: {} }];
		const parameters = items.map(() => ({ ...RUN, wait: true }));
		const [out] = await run(parameters, { items });
		expect(out.map(({ pairedItem }) => pairedItem)).toEqual([0, 1, 2].map((item) => ({ item })));
		expect(server.calls.map(({ tool }) => tool)).toEqual([
			...Array(3).fill('run_task'),
			...Array(3).fill('wait_goal'),
		]);
	});

	it('returns the goal as it is when the time is over', async () => {
		server.tools.wait_goal = () => goal('running', 'simple', 1);
		const [[item]] = await run({ ...RUN, wait: true, options: { waitSeconds: 1 } });
		expect(item.json).toMatchObject({ state: 'running', ended: false });
	});
});

describe('idempotency', () => {
	it('gives a retried node the key of its first try, and every item and run another one', async () => {
		const kept = {};
		const two = { parameters: [RUN, RUN], items: [{ json: {} }, { json: {} }] };
		await run(two.parameters, { items: two.items, kept });
		await run(two.parameters, { items: two.items, kept });
		await run(RUN, { kept, runIndex: 1 });
		const [first, second, ...later] = keys();
		expect(later.slice(0, 2)).toEqual([first, second]);
		expect(new Set([first, second, later[2]]).size).toBe(3);
	});

	it('never repeats a key in another execution', async () => {
		await run(RUN);
		await run(RUN);
		expect(new Set(keys()).size).toBe(2);
	});

	it('uses the key of the person who set one', async () => {
		await run({ ...RUN, options: { key: 'order-7' } });
		expect(keys()).toEqual(['order-7']);
	});
});

describe('one output per complexity', () => {
	const PER = { ...RUN, outputMode: 'perComplexity' };

	it.each([
		['simple', 0],
		['medium', 1],
		['complex', 2],
	])('lets a %s task leave by output %i', async (complexity, output) => {
		server.tools.wait_goal = () => goal('running', complexity);
		const outputs = await run(PER);
		expect(outputs.map((items) => items.length)).toEqual([0, 1, 2].map((o) => +(o === output)));
	});

	it('needs no waiting when the pool was chosen', async () => {
		const outputs = await run({ ...PER, pool: 'complex' });
		expect(outputs[2]).toHaveLength(1);
		expect(server.calls.map(({ tool }) => tool)).toEqual(['run_task']);
	});

	it('fails a task that ended before it could be classified', async () => {
		server.tools.wait_goal = () => goal('failed');
		await expect(run(PER)).rejects.toThrow('The task was not classified; its goal is failed');
	});
});

it('classifying asks for a plan, starts nothing, and takes the hardest part', async () => {
	const tasks = [{ id: 'T1', complexity: 'simple' }, { id: 'T2', complexity: 'complex' }];
	server.tools = { plan_goal: () => ({ plan: { tasks }, notes: [], engine: 'llama_cpp' }) };
	const [[item]] = await run({ ...RUN, operation: 'classify' });
	expect(item.json).toMatchObject({ task: TASK, complexity: 'complex', plan: { tasks } });
	expect(server.calls).toEqual([{ tool: 'plan_goal', args: { goal: TASK } }]);
});

it('classifying asks again while the plan is being made, but not for ever', async () => {
	const late = () => {
		throw new ToolFailure('deadline', 'the plan is not ready after 40 s', 'Ask again');
	};
	const plan = { tasks: [{ id: 'T1', complexity: 'medium' }] };
	const answers = [late, late, () => ({ plan })];
	server.tools = { plan_goal: () => answers.shift()?.() };
	const [[item]] = await run({ ...RUN, operation: 'classify' });
	expect(item.json.complexity).toBe('medium');

	server.tools = { plan_goal: late };
	server.calls.length = 0;
	await expect(run({ ...RUN, operation: 'classify' })).rejects.toMatchObject({ httpCode: '504' });
	expect(server.calls).toHaveLength(4);
});

describe('errors', () => {
	it("make a caller's mistake a NodeOperationError before anything is sent", async () => {
		await expect(run({ ...RUN, task: ' ' })).rejects.toMatchObject({
			name: 'NodeOperationError',
			message: 'Task is empty. Say what has to be done.',
		});
		expect(server.calls).toEqual([]);
	});

	it('make a failure of ATOS a NodeApiError with its status', async () => {
		server.tools.run_task = () => {
			throw new ToolFailure('busy', '64 goals wait already', 'try later');
		};
		await expect(run(RUN)).rejects.toMatchObject({
			name: 'NodeApiError',
			message: '64 goals wait already. try later',
			description: 'try later',
			httpCode: '503',
		});
	});

	it('leave one by one, each with the status for the caller, when the workflow goes on', async () => {
		server.tools.run_task = ({ task }) => {
			if (task === 'fly') throw new ToolFailure('out_of_scope', 'no', 'install Ollama');
			return { id: 'g1', state: 'queued' };
		};
		const parameters = [RUN, { ...RUN, task: 'fly' }, { ...RUN, task: '' }];
		const items = parameters.map(() => ({ json: {} }));
		const [out] = await run(parameters, { items, goesOn: true });
		const next = 'install Ollama';
		expect(out[0].json.state).toBe('queued');
		// n8n's own rule for the error output: nothing but `error` in the JSON, none beside it.
		expect(out.slice(1)).toEqual([
			{
				json: { error: { code: 'out_of_scope', message: 'no', next, status: 422 } },
				pairedItem: { item: 1 },
			},
			{
				json: {
					error: {
						code: 'bad_request',
						message: 'Task is empty',
						next: 'Say what has to be done.',
						status: 400,
					},
				},
				pairedItem: { item: 2 },
			},
		]);
	});
});

describe('routing a task of a goal', () => {
	const ROUTE = { operation: 'routeTask', ticket: ' g1/T2/1/mac ', pool: 'medium', outputMode: 'single' };

	it('answers with the ticket and the pool, and no task of its own is started', async () => {
		const [[item]] = await run(ROUTE);
		expect(server.calls).toMatchObject([
			{ tool: 'run_task', args: { ticket: 'g1/T2/1/mac', pool: 'medium' } },
		]);
		expect(server.calls[0].args).not.toHaveProperty('key');
		expect(item.json).toMatchObject({ id: 'g1', pool: 'medium', complexity: 'medium' });
	});

	it('says what is missing without a ticket', async () => {
		await expect(run({ ...ROUTE, ticket: '' })).rejects.toThrow('Ticket is empty');
		expect(server.calls).toEqual([]);
	});
});
