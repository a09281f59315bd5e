/**
 * From the body of a streamable HTTP answer to what the tool returned.
 *
 * A server may answer one POST with plain JSON or with an event stream that carries notifications
 * before the result; both are legal for the same call, so both are read here.
 */
import type { IDataObject } from 'n8n-workflow';
import { AtosFailure, failureFromResult, START } from './failure';

interface JsonRpcMessage {
	id?: number | string | null;
	result?: ToolResult;
	error?: { code: number; message: string };
}

interface ToolResult {
	_meta?: IDataObject;
	isError?: boolean;
	structuredContent?: IDataObject;
	content?: Array<{ type: string; text?: string }>;
}

/** The payloads of an event stream, one per event; `data:` lines of one event belong together. */
export function eventPayloads(stream: string): string[] {
	return stream
		.split(/\r?\n\r?\n/)
		.map((event) =>
			event
				.split(/\r?\n/)
				.filter((line) => line.startsWith('data:'))
				.map((line) => line.slice('data:'.length).replace(/^ /, ''))
				.join('\n'),
		)
		.filter((payload) => payload !== '');
}

function parse(text: string): JsonRpcMessage | undefined {
	try {
		const value: unknown = JSON.parse(text);
		return typeof value === 'object' && value !== null ? (value as JsonRpcMessage) : undefined;
	} catch {
		return undefined;
	}
}

function messagesIn(body: unknown): JsonRpcMessage[] {
	if (typeof body === 'object' && body !== null) return [body as JsonRpcMessage];
	const text = String(body ?? '');
	const whole = parse(text);
	if (whole) return [whole];
	return eventPayloads(text)
		.map(parse)
		.filter((message): message is JsonRpcMessage => message !== undefined);
}

function textOf(result: ToolResult): string {
	return (result.content ?? [])
		.filter((part) => part.type === 'text')
		.map((part) => part.text ?? '')
		.join('\n');
}

function refusal(status: number, message: string): AtosFailure {
	if (status === 401 || status === 403) {
		const next =
			'Put a token into the ATOS credential: "atos-client token add n8n" shows a new one once.';
		return new AtosFailure('unauthorized', `ATOS refused the token (HTTP ${status})`, next);
	}
	if (status === 421) {
		const next = 'Use the base URL that "atos-client doctor" names; in a container: "atos-client up --docker".';
		return new AtosFailure('unauthorized', 'ATOS does not go by the host of the base URL', next);
	}
	if (status >= 500) {
		return new AtosFailure('unreachable', `ATOS answered HTTP ${status}: ${message}`, START);
	}
	return new AtosFailure('protocol', `ATOS answered HTTP ${status}: ${message}`);
}

/**
 * What the tool returned.
 *
 * Throws an `AtosFailure` for a failed tool, a refused request, or a body without an answer.
 */
export function toolResult(status: number, body: unknown, requestId: number): IDataObject {
	const answer = messagesIn(body).find(
		(message) => message.id === requestId && (message.result ?? message.error) !== undefined,
	);
	if (answer?.error) throw refusal(status, answer.error.message);
	if (status >= 400 || !answer?.result) {
		throw refusal(status, String(textOrJson(body)).slice(0, 300) || 'an empty body');
	}
	const { result } = answer;
	if (result.isError) throw failureFromResult(result._meta, textOf(result));
	return result.structuredContent ?? { text: textOf(result) };
}

function textOrJson(body: unknown): string {
	return typeof body === 'string' ? body : JSON.stringify(body ?? '');
}

/** What a JSON route answered; throws an `AtosFailure` with the route's own error where it has one. */
export function routeResult(status: number, body: unknown): IDataObject {
	const value = (typeof body === 'string' ? parse(body || '{}') : body) as IDataObject | undefined;
	if (status < 400 && value !== undefined) return value;
	const error = value?.error as IDataObject | undefined;
	if (status !== 401 && status !== 421 && typeof error?.code === 'string') {
		return fail(new AtosFailure(error.code, String(error.message), String(error.next ?? '')));
	}
	return fail(refusal(status, String(textOrJson(body)).slice(0, 300)));
}

function fail(failure: AtosFailure): never {
	throw failure;
}
