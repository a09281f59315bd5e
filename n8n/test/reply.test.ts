/** Every form in which one tool call may be answered. */
import { describe, expect, it } from 'vitest';
import { AtosFailure } from '../nodes/shared/failure';
import { eventPayloads, toolResult } from '../nodes/shared/reply';

const answer = (result: object) => ({ jsonrpc: '2.0', id: 1, result });

function failureOf(status: number, body: unknown): AtosFailure {
	try {
		toolResult(status, body, 1);
	} catch (error) {
		return error as AtosFailure;
	}
	throw new Error('no failure');
}

describe('an answer', () => {
	it('is read from an object that the HTTP client has parsed already', () => {
		expect(toolResult(200, answer({ structuredContent: { id: 'g1' } }), 1)).toEqual({ id: 'g1' });
	});

	it('is read from JSON text', () => {
		const text = JSON.stringify(answer({ structuredContent: { id: 'g1' } }));
		expect(toolResult(200, text, 1)).toEqual({ id: 'g1' });
	});

	it('is found behind notifications and other answers in an event stream', () => {
		const stream = [
			': ping',
			'event: message\ndata: {"jsonrpc":"2.0","method":"notifications/progress"}',
			'data: {"jsonrpc":"2.0","id":7,"result":{"structuredContent":{"id":"other"}}}',
			'data: {"jsonrpc":"2.0","id":1,\ndata: "result":{"structuredContent":{"id":"g1"}}}',
			'',
		].join('\n\n');
		expect(toolResult(200, stream, 1)).toEqual({ id: 'g1' });
	});

	it('keeps its text when the tool has no structured result', () => {
		const result = { content: [{ type: 'image' }, { type: 'text', text: 'done' }] };
		expect(toolResult(200, answer(result), 1)).toEqual({ text: 'done' });
	});
});

describe('a failure', () => {
	it('carries code, message and next step of the tool', () => {
		const message = 'atos-mini does not know " Next: " either.';
		const error = { code: 'out_of_scope', message, next: 'install Ollama' };
		const content = [{ type: 'text', text: `out_of_scope: ${message} Next: install Ollama` }];
		const result = { isError: true, content, _meta: { 'atos/error': error } };
		const failure = failureOf(200, answer(result));
		expect(failure).toMatchObject({
			code: 'out_of_scope',
			message,
			next: 'install Ollama',
			status: 422,
		});
	});

	it('of a tool that knows nothing of ATOS has its text', () => {
		const content = [{ type: 'text', text: 'weather: no data' }];
		expect(failureOf(200, answer({ isError: true, content }))).toMatchObject({
			code: 'tool_error',
			message: 'weather: no data',
			status: 502,
		});
	});

	it('says where the token is when it was refused', () => {
		expect(failureOf(401, { error: 'no' })).toMatchObject({
			code: 'unauthorized',
			status: 502,
			next: expect.stringContaining('atos-client token add'),
		});
	});

	it('keeps the protocol error of a refused request', () => {
		const body = { jsonrpc: '2.0', id: 1, error: { code: -32602, message: 'params._meta' } };
		expect(failureOf(400, body).message).toBe('ATOS answered HTTP 400: params._meta');
	});

	it.each([
		['an empty body', 200, ''],
		['JSON that is no answer', 200, '[1, 2]'],
		['a stream that ends early', 200, 'data: {"jsonrpc":"2.0","id":1,"res'],
	])('is what %s means', (_name, status, body) => {
		expect(failureOf(status, body)).toMatchObject({ code: 'protocol', status: 502 });
	});
});

it('an event stream keeps line breaks inside an event and drops empty events', () => {
	expect(eventPayloads('data: a\ndata: b\n\n: note\n\ndata:c\r\n\r\n')).toEqual(['a\nb', 'c']);
});

it.each([
	['a page of a proxy', 502],
	['a server that is ending', 503],
])('ATOS is not there behind %s', (_name, status) => {
	const failure = failureOf(status, '<html>bad gateway</html>');
	expect(failure).toMatchObject({ code: 'unreachable', status: 502 });
});
