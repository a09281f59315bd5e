/**
 * The one HTTP function of the package: calls a tool of an ATOS server by a single stateless POST.
 *
 * Protocol 2026-07-28 needs no `initialize` and no session: version and capabilities travel in the
 * `_meta` of each request, and three headers repeat what the body says so that a gateway need not
 * read it. Nothing is kept between two calls.
 */
import type {
	IDataObject,
	IExecuteFunctions,
	IHookFunctions,
	IHttpRequestOptions,
} from 'n8n-workflow';
import { asFailure } from './failure';
import { routeResult, toolResult } from './reply';

export const PROTOCOL = '2026-07-28';
const META = 'io.modelcontextprotocol/';
const REQUEST_ID = 1;

/** What a request needs of n8n: credentials and the HTTP helper. */
export type AtosContext = IExecuteFunctions | IHookFunctions;

/** No ATOS call lasts longer than 45 s; the rest is for the network. */
const TIMEOUT_MS = 50_000;

/** The servers whose tools the nodes use: goals, and deployments. */
export type Server = 'orchestrate' | 'workflow';

export function toolRequest(
	baseUrl: string,
	tool: string,
	argumentsOfTool: IDataObject,
	server: Server = 'orchestrate',
): IHttpRequestOptions {
	return {
		method: 'POST',
		url: `${baseUrl.replace(/\/+$/, '')}/${server}/mcp`,
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

interface Answer {
	statusCode: number;
	body: unknown;
}

/** Sends one request with the credential; whatever stops it on the way is an `AtosFailure`. */
async function send(context: AtosContext, request: IHttpRequestOptions): Promise<Answer> {
	try {
		return await context.helpers.httpRequestWithAuthentication.call(context, 'atosApi', request);
	} catch (error) {
		throw asFailure(error);
	}
}

/** Where ATOS listens, without a slash at the end. */
async function baseUrlOf(context: AtosContext): Promise<string> {
	const { baseUrl } = await context.getCredentials<{ baseUrl: string }>('atosApi');
	return baseUrl.replace(/\/+$/, '');
}

/** Calls one tool; throws an `AtosFailure` when it fails, is refused, or can't be reached. */
export async function callTool(
	context: IExecuteFunctions,
	tool: string,
	argumentsOfTool: IDataObject,
	server: Server = 'orchestrate',
): Promise<IDataObject> {
	const request = toolRequest(await baseUrlOf(context), tool, argumentsOfTool, server);
	request.abortSignal = context.getExecutionCancelSignal();
	const { statusCode, body } = await send(context, request);
	return toolResult(statusCode, body, REQUEST_ID);
}

/**
 * The context without its cancel signal: n8n puts that of the context into every request with a credential, so
 * that none can be sent once the execution is stopped.
 */
function unstoppable(context: IExecuteFunctions): IExecuteFunctions {
	return Object.create(context, {
		getExecutionCancelSignal: { value: () => undefined },
	}) as IExecuteFunctions;
}

/** Calls one tool although the execution is stopped: to clean up after it, or to know what was started. */
export async function callToolAnyway(
	context: IExecuteFunctions,
	tool: string,
	argumentsOfTool: IDataObject,
): Promise<IDataObject> {
	return await callTool(unstoppable(context), tool, argumentsOfTool);
}

/** Asks one of ATOS's JSON routes beside MCP; throws an `AtosFailure` as its answer says. */
export async function callRoute(
	context: AtosContext,
	method: 'GET' | 'POST' | 'DELETE',
	path: string,
	body?: IDataObject,
): Promise<IDataObject> {
	const request: IHttpRequestOptions = {
		method,
		url: `${await baseUrlOf(context)}${path}`,
		headers: { accept: 'application/json', 'content-type': 'application/json' },
		...(body === undefined ? {} : { body }),
		encoding: 'text',
		timeout: TIMEOUT_MS,
		disableFollowRedirect: true,
		ignoreHttpStatusErrors: true,
		returnFullResponse: true,
	};
	const answer = await send(context, request);
	return routeResult(answer.statusCode, answer.body);
}
