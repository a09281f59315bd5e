/**
 * The one HTTP function of the package: calls a tool of an ATOS server by a single stateless POST.
 *
 * Protocol 2026-07-28 needs no `initialize` and no session: version and capabilities travel in the
 * `_meta` of each request, and three headers repeat what the body says so that a gateway need not
 * read it. Nothing is kept between two calls.
 */
import type { IDataObject, IExecuteFunctions, IHttpRequestOptions } from 'n8n-workflow';
import { asFailure } from './failure';
import { toolResult } from './reply';

export const PROTOCOL = '2026-07-28';
const META = 'io.modelcontextprotocol/';
const REQUEST_ID = 1;

/** No ATOS call lasts longer than 45 s; the rest is for the network. */
const TIMEOUT_MS = 50_000;

/** The server whose tools the nodes use. */
const SERVER = 'orchestrate';

export function toolRequest(
	baseUrl: string,
	tool: string,
	argumentsOfTool: IDataObject,
): IHttpRequestOptions {
	return {
		method: 'POST',
		url: `${baseUrl.replace(/\/+$/, '')}/${SERVER}/mcp`,
		headers: {
			'content-type': 'application/json',
			accept: 'application/json, text/event-stream',
			'MCP-Protocol-Version': PROTOCOL,
			'Mcp-Method': 'tools/call',
			'Mcp-Name': tool,
		},
		body: {
			jsonrpc: '2.0',
			id: REQUEST_ID,
			method: 'tools/call',
			params: {
				name: tool,
				arguments: argumentsOfTool,
				_meta: {
					[`${META}protocolVersion`]: PROTOCOL,
					[`${META}clientInfo`]: { name: 'n8n-nodes-atos', version: '0.1.0' },
					[`${META}clientCapabilities`]: {},
				},
			},
		},
		encoding: 'text',
		timeout: TIMEOUT_MS,
		// The token must not follow a redirect, and a refusal's own words are worth more than
		// the HTTP client's.
		disableFollowRedirect: true,
		ignoreHttpStatusErrors: true,
		returnFullResponse: true,
	};
}

/** Calls one tool; throws an `AtosFailure` when it fails, is refused, or can't be reached. */
export async function callTool(
	context: IExecuteFunctions,
	itemIndex: number,
	tool: string,
	argumentsOfTool: IDataObject,
): Promise<IDataObject> {
	const { baseUrl } = await context.getCredentials<{ baseUrl: string }>('atosApi', itemIndex);
	const request = toolRequest(baseUrl, tool, argumentsOfTool);
	request.abortSignal = context.getExecutionCancelSignal();
	let response: { statusCode: number; body: unknown };
	try {
		response = await context.helpers.httpRequestWithAuthentication.call(context, 'atosApi', request);
	} catch (error) {
		throw asFailure(error);
	}
	return toolResult(response.statusCode, response.body, REQUEST_ID);
}
