/**
 * An orchestrate server for tests: one HTTP endpoint that holds requests to protocol 2026-07-28 as
 * the real one does (headers, `_meta`, bearer token) and answers with the tools a test gives it.
 */
/* eslint-disable @n8n/community-nodes/no-restricted-imports -- a test double, never shipped */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export type Tool = (args: Record<string, unknown>) => unknown;
export type Answer = 'json' | 'stream';

export interface Call {
	tool: string;
	args: Record<string, unknown>;
}

/** A tool throws this to answer `isError`, with the error as an object in `_meta`. */
export class ToolFailure extends Error {
	constructor(
		readonly code: string,
		message: string,
		readonly next = '',
	) {
		super(message);
	}
}

const META = 'io.modelcontextprotocol/';

/** The result of a goal that delivered nothing. */
const NO_FILES = { commit: '', tests: { passed: 0, failed: 0 }, files: [], zip: '' };

export class FakeOrchestrate {
	readonly calls: Call[] = [];
	readonly bodies: unknown[] = [];
	/** What was posted to the JSON routes. */
	readonly posted: Array<{ path: string; body: unknown }> = [];
	tools: Record<string, Tool> = {};
	answer: Answer = 'json';
	token = 'right';
	/** What the JSON routes beside MCP answer, by path. */
	routes: Record<string, unknown> = {};
	/** Answers requests itself when set; for redirects, hangs and garbage. */
	override?: (request: IncomingMessage, response: ServerResponse) => void;
	private server: Server = createServer((request, response) => void this.serve(request, response));

	async start(): Promise<string> {
		await new Promise<void>((ready) => this.server.listen(0, '127.0.0.1', ready));
		return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
	}

	async stop(): Promise<void> {
		this.server.closeAllConnections();
		await new Promise((done) => this.server.close(done));
	}

	private async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
		if (this.override) return this.override(request, response);
		const chunks: Buffer[] = [];
		for await (const chunk of request) chunks.push(chunk as Buffer);
		const sent = Buffer.concat(chunks).toString();
		const path = request.url ?? '';
		const route = this.routes[path] ?? (path.endsWith('/result') ? NO_FILES : undefined);
		if (route !== undefined && request.headers.authorization === `Bearer ${this.token}`) {
			if (sent !== '') this.posted.push({ path, body: JSON.parse(sent) });
			response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(route));
			return;
		}
		const body = JSON.parse(sent);
		this.bodies.push(body);
		const refused = this.refusal(request, body);
		if (refused) return this.send(response, refused.status, body.id, { error: refused.error });
		this.send(response, 200, body.id, { result: await this.run(body.params) });
	}

	/** The real server's checks, in its order and with its codes. */
	private refusal(request: IncomingMessage, body: { params: Record<string, never> }) {
		const { headers } = request;
		const error = (status: number, code: number, message: string) => ({
			status,
			error: { code, message },
		});
		if (headers.authorization !== `Bearer ${this.token}`) return error(401, -32001, 'bad token');
		const known = ['/orchestrate/mcp', '/workflow/mcp'].includes(request.url ?? '');
		if (request.method !== 'POST' || !known) {
			return error(404, -32601, `no ${request.method} ${request.url}`);
		}
		const accepts = String(headers.accept);
		if (!accepts.includes('application/json') || !accepts.includes('text/event-stream')) {
			return error(406, -32600, 'accept both');
		}
		if (headers['mcp-protocol-version'] !== '2026-07-28') return error(400, -32022, 'version');
		if (headers['mcp-method'] !== 'tools/call') return error(400, -32020, 'mcp-method');
		if (headers['mcp-name'] !== body.params.name) return error(400, -32020, 'mcp-name');
		const meta = (body.params._meta ?? {}) as Record<string, unknown>;
		if (!meta[`${META}protocolVersion`] || !meta[`${META}clientCapabilities`]) {
			return error(400, -32602, '_meta');
		}
		return undefined;
	}

	private async run(params: { name: string; arguments: Record<string, unknown> }) {
		this.calls.push({ tool: params.name, args: params.arguments });
		try {
			const value = await this.tools[params.name](params.arguments);
			const content = [{ type: 'text', text: JSON.stringify(value) }];
			return { content, structuredContent: value, isError: false, resultType: 'complete' };
		} catch (error) {
			const { code, message, next } = error as ToolFailure;
			const content = [{ type: 'text', text: `${code}: ${message} Next: ${next}` }];
			return { content, isError: true, _meta: { 'atos/error': { code, message, next } } };
		}
	}

	private send(response: ServerResponse, status: number, id: number, outcome: object): void {
		const message = JSON.stringify({ jsonrpc: '2.0', id, ...outcome });
		if (this.answer === 'json' || status !== 200) {
			response.writeHead(status, { 'content-type': 'application/json' }).end(message);
			return;
		}
		const progress = { jsonrpc: '2.0', method: 'notifications/progress', params: { progress: 1 } };
		response.writeHead(status, { 'content-type': 'text/event-stream' });
		response.write(`: keep-alive\r\n\r\nevent: message\r\ndata: ${JSON.stringify(progress)}\r\n\r\n`);
		response.end(`event: message\r\ndata: ${message}\r\n\r\n`);
	}
}
