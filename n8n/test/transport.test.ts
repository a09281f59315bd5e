/** The one HTTP function against a server on a real socket. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { callTool } from '../nodes/shared/transport';
import contract from './contract.json';
import { contextOf, type Setup } from './doubles/context';
import { FakeOrchestrate, ToolFailure } from './doubles/server';

const server = new FakeOrchestrate();
let baseUrl: string;

beforeEach(async () => {
	baseUrl = await server.start();
	server.tools = { get_goal: ({ goal_id }) => ({ id: goal_id, state: 'running' }) };
});
afterEach(async () => {
	server.override = undefined;
	server.answer = 'json';
	server.bodies.length = 0;
	await server.stop();
});

function call(setup: Partial<Setup> = {}) {
	const context = contextOf({ baseUrl, parameters: {}, ...setup });
	return callTool(context, 'get_goal', { goal_id: 'g1' });
}

describe('a tool call', () => {
	it('is one stateless request of protocol 2026-07-28', async () => {
		await call();
		expect(server.bodies).toEqual([contract.request.body]);
	});

	it.each(['json', 'stream'] as const)('reads an answer sent as %s', async (answer) => {
		server.answer = answer;
		await expect(call()).resolves.toEqual({ id: 'g1', state: 'running' });
	});

	it('accepts a base URL that ends with a slash', async () => {
		await expect(call({ baseUrl: `${baseUrl}/` })).resolves.toMatchObject({ id: 'g1' });
	});
});

describe('a failed call', () => {
	it('carries the error of the tool', async () => {
		server.tools.get_goal = () => {
			throw new ToolFailure('not_found', 'there is no goal g1', 'list_goals shows them');
		};
		await expect(call()).rejects.toMatchObject({ code: 'not_found', status: 404 });
	});

	it('says that the token was refused', async () => {
		await expect(call({ token: 'wrong' })).rejects.toMatchObject({ code: 'unauthorized' });
	});

	it('names the command that starts ATOS when nothing listens', async () => {
		await server.stop();
		await expect(call()).rejects.toMatchObject({
			code: 'unreachable',
			status: 502,
			next: expect.stringContaining('atos-client up'),
		});
		baseUrl = await server.start();
	});

	it('does not carry the token to where a redirect points', async () => {
		const seen: string[] = [];
		server.override = (request, response) => {
			seen.push(String(request.url));
			response.writeHead(307, { location: '/elsewhere' }).end();
		};
		await expect(call()).rejects.toMatchObject({ code: 'protocol' });
		expect(seen).toEqual(['/orchestrate/mcp']);
	});

	it('ends at once when the execution is cancelled', async () => {
		const cancel = new AbortController();
		server.override = () => cancel.abort();
		await expect(call({ cancel: cancel.signal })).rejects.toMatchObject({ code: 'unreachable' });
	});
});
