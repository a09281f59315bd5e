/** The aggregator node over HTTP: many items in, one out, waiting within a deadline. */
import type { IDataObject, INodeExecutionData } from 'n8n-workflow';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AtosResultAggregator } from '../nodes/AtosResultAggregator/AtosResultAggregator.node';
import { contextOf } from './doubles/context';
import { FakeOrchestrate, ToolFailure } from './doubles/server';

const server = new FakeOrchestrate();
let baseUrl: string;
let states: Record<string, string>;
let shown: number;

const goal = (id: string) => ({ id, state: states[id], seq: 1 });

beforeEach(async () => {
	baseUrl = await server.start();
	shown = Infinity;
	server.tools = {
		aggregate_results: ({ ids }) => {
			const items = (ids as string[]).map(goal);
			const at_work = items.filter(({ state }) => ['queued', 'running'].includes(state));
			const done = items.filter(({ state }) => state === 'success').length;
			const pending = at_work.length;
			const failed = items.length - done - pending;
			return { ok: done === items.length, done, pending, failed, items: items.slice(0, shown) };
		},
		wait_goal: ({ goal_id }) => {
			states[String(goal_id)] = 'success';
			return { events: [], seq: 2, goal: goal(String(goal_id)) };
		},
	};
});
afterEach(async () => {
	server.calls.length = 0;
	await server.stop();
});

function run(ids: string[], parameters: IDataObject = {}, goesOn = false) {
	const items: INodeExecutionData[] = ids.map((id) => ({ json: { id } }));
	const each = ids.map((goalId) => ({ goalId, wait: true, ...parameters }));
	const context = contextOf({ baseUrl, parameters: each, items, goesOn });
	return new AtosResultAggregator().execute.call(context);
}

describe('goals that have ended', () => {
	it('become one item that is paired with all of its inputs', async () => {
		states = { a: 'success', b: 'success', c: 'success' };
		const [[item, ...more]] = await run(['a', 'b, c', 'a']);
		expect(more).toEqual([]);
		expect(item).toMatchObject({
			json: { ok: true, status: 200, items: [{ id: 'a' }, { id: 'b' }, { id: 'c' }] },
			pairedItem: [{ item: 0 }, { item: 1 }, { item: 2 }],
		});
		expect(server.calls).toEqual([{ tool: 'aggregate_results', args: { ids: ['a', 'b', 'c'] } }]);
	});

	it.each(['failed', 'cancelled', 'needs_help', 'limit_reached'])(
		'answer 502 when one of them is %s',
		async (state) => {
			states = { a: 'success', b: state };
			const [[item]] = await run(['a', 'b']);
			expect(item.json).toMatchObject({ ok: false, status: 502 });
		},
	);
});

describe('goals at work', () => {
	it('are waited for, and those that have ended are not', async () => {
		states = { a: 'running', b: 'success', c: 'queued' };
		const [[item]] = await run(['a', 'b', 'c']);
		expect(item.json.status).toBe(200);
		expect(server.calls.map(({ tool, args }) => args.goal_id ?? tool)).toEqual([
			'aggregate_results',
			'a',
			'c',
			'aggregate_results',
		]);
	});

	it('are waited for also where a long answer left them out', async () => {
		states = { a: 'success', b: 'running', c: 'success' };
		shown = 1;
		const [[item]] = await run(['a', 'b', 'c']);
		expect(item.json).toMatchObject({ status: 200, done: 3 });
	});

	it('answer 202 as they are when nobody waits', async () => {
		states = { a: 'running' };
		const [[item]] = await run(['a'], { wait: false });
		expect(item.json).toMatchObject({ status: 202, items: [{ state: 'running' }] });
	});

	it('answer 202 when the time is over', async () => {
		states = { a: 'running', b: 'running' };
		server.tools.wait_goal = ({ goal_id }) => ({ events: [], seq: 1, goal: goal(String(goal_id)) });
		const [[item]] = await run(['a', 'b'], { waitSeconds: 1 });
		expect(item.json.status).toBe(202);
	});
});

describe('errors', () => {
	it('name the item that has no goal ID, before anything is sent', async () => {
		await expect(run(['a', ''])).rejects.toMatchObject({
			name: 'NodeOperationError',
			message: 'Item 1 has no goal ID. Connect the ATOS Agent Router, or set Goal ID.',
		});
		expect(server.calls).toEqual([]);
	});

	it('leave as one item with the status for the caller when the workflow goes on', async () => {
		server.tools.aggregate_results = () => {
			throw new ToolFailure('not_found', 'there is no goal a', 'list_goals shows them');
		};
		const [[item]] = await run(['a'], {}, true);
		expect(item.json).toEqual({
			error: {
				code: 'not_found',
				message: 'there is no goal a',
				next: 'list_goals shows them',
				status: 404,
			},
		});
	});
});
