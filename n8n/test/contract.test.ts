/**
 * `contract.json` holds one request and its answers. Here the nodes are held to it; the project's
 * Python tests (tests/n8n/test_mcp_contract.py) hold the real servers to the same file.
 */
import { expect, it } from 'vitest';
import { toolResult } from '../nodes/shared/reply';
import { toolRequest } from '../nodes/shared/transport';
import contract from './contract.json';

it('the request is the one of the contract', () => {
	const request = toolRequest('http://127.0.0.1:8756', contract.tool, contract.arguments);
	expect(request.url).toBe(`http://127.0.0.1:8756${contract.path}`);
	expect(request.headers).toEqual(contract.request.headers);
	expect(request.body).toEqual(contract.request.body);
});

it('the answers of the contract are understood', () => {
	expect(toolResult(200, contract.success, 1)).toEqual({ id: 'g1', state: 'running' });
	expect(() => toolResult(200, contract.failure, 1)).toThrow(
		expect.objectContaining({ code: 'not_found', next: 'Use list_goals.', status: 404 }),
	);
});
