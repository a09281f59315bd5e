/**
 * Failures between n8n and ATOS, as data: a code, a message, the next step, and the HTTP status with
 * which a workflow should answer its own caller.
 *
 * A caller's mistake and a broken ATOS must be distinguishable, so every code has a status here, and
 * an error item carries it: the respond node of a workflow reads only `$json.error.status`.
 */
import type { IDataObject, IExecuteFunctions, INode, INodeExecutionData, JsonObject } from 'n8n-workflow';
import { NodeApiError, NodeOperationError } from 'n8n-workflow';

/** Status per code of an ATOS error; whatever is not listed is a bad gateway. */
const STATUS_OF_CODE: Record<string, number> = {
	bad_request: 400,
	context: 400,
	workspace: 400,
	not_found: 404,
	conflict: 409,
	refused: 409,
	out_of_scope: 422,
	busy: 503,
	no_model: 503,
	deadline: 504,
};

const BAD_GATEWAY = 502;

/** What helps when ATOS does not answer. */
export const START = 'Start it with "atos-client up", then check the base URL of the credential.';

export class AtosFailure extends Error {
	readonly name = 'AtosFailure';

	constructor(
		readonly code: string,
		message: string,
		readonly next = '',
	) {
		super(message);
	}

	/** The status for the caller of the workflow: 4xx when the request can't work, else 5xx. */
	get status(): number {
		return STATUS_OF_CODE[this.code] ?? BAD_GATEWAY;
	}
}

/** Where a failed tool's result carries the error as an object; see `atos_protocol/errors.py`. */
export const ERROR_META_KEY = 'atos/error';

/** The error of a failed tool: the object in its `_meta`; a tool of another server has only its text. */
export function failureFromResult(meta: IDataObject | undefined, text: string): AtosFailure {
	const error = meta?.[ERROR_META_KEY] as IDataObject | undefined;
	if (typeof error?.code === 'string' && typeof error.message === 'string') {
		return new AtosFailure(error.code, error.message, String(error.next ?? ''));
	}
	return new AtosFailure('tool_error', text.trim() || 'The tool failed without a reason');
}

/** Turns any thrown value into an `AtosFailure`; everything else comes from the network. */
export function asFailure(thrown: unknown): AtosFailure {
	if (thrown instanceof AtosFailure) return thrown;
	const message = thrown instanceof Error ? thrown.message : String(thrown);
	return new AtosFailure(
		'unreachable',
		`ATOS did not answer: ${message}`,
		START,
	);
}

/** The error that n8n shows: a node error for the caller's mistakes, else an API error. */
function asNodeError(
	node: INode,
	failure: AtosFailure,
	itemIndex: number,
): NodeApiError | NodeOperationError {
	// The next step stands in the message too: an agent that uses the node as a tool sees nothing else.
	const message = failure.next ? `${failure.message}. ${failure.next}` : failure.message;
	const shown = { message, description: failure.next, itemIndex };
	if (failure.status < 500) return new NodeOperationError(node, message, shown);
	const response: JsonObject = { code: failure.code, message };
	return new NodeApiError(node, response, { ...shown, httpCode: String(failure.status) });
}

/** What `work` returns, or its failure where the workflow continues after errors. */
export async function attempt<T>(
	context: IExecuteFunctions,
	itemIndex: number,
	work: () => Promise<T>,
): Promise<T | AtosFailure> {
	try {
		return await work();
	} catch (error) {
		const failure = asFailure(error);
		const stopped = context.getExecutionCancelSignal()?.aborted === true;
		if (context.continueOnFail() && !stopped) return failure;
		throw asNodeError(context.getNode(), failure, itemIndex);
	}
}

/**
 * The item for the error output, or for output 0 when the workflow continues after errors.
 *
 * n8n treats an item as an error only if its JSON contains nothing but `error`; and if the item had an
 * `error` property beside its JSON, n8n would replace the JSON by that error's message alone.
 */
export function errorItem(failure: AtosFailure, itemIndex: number): INodeExecutionData {
	const { code, message, next, status } = failure;
	return { json: { error: { code, message, next, status } }, pairedItem: { item: itemIndex } };
}
